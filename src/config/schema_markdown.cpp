// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>
#include <fmt/ranges.h>

#include "config/read_value.h"
#include "config/schema_print.h"

namespace lockstep {
namespace {

constexpr const char* kIntroduction = R"(# Config

<!-- Printed by `lockstep config schema --markdown`; a test compares this file with the table in src/config. -->

A run is described by one YAML file and, on the command line, overrides of the form `key=value`:

```
lockstep train -c configs/digits.yaml optim.lr=3e-4 train.steps=1000
lockstep config show -c configs/digits.yaml optim.lr=3e-4      # what a run would use, defaults included
lockstep config init > my.yaml                                 # a commented file to start from
```

- The table is closed: an unknown key is an error that names the place and the nearest key, and so is a key that has no effect
  with the chosen types.
- `key=value` goes through the same checks as the file; the value is YAML on one line (`model.hidden=[256, 128]`), a section takes
  a map (`optim={type: sgd, lr: 0.1}`), and `key=null` takes the default: of a key, of a whole section (`checkpoint=null`), or of a
  member of a free map, which is then not there. Without `data.type`, which has none, there is no run.
- Paths in the file are relative to the file, those of overrides to the working directory; `run.dir` always is relative to
  the working directory. `~/x` is in your home directory; `~name` and `$NAME` are refused, since nothing here expands them.
- Limits: 1 MiB, 64 levels, 100 000 values. No anchors, aliases, merge keys, tags, duplicate keys, tabs in the indentation, byte
  order mark. Only `true` and `false` are truth values; numbers are decimal and finite.
- A missing file ends with exit code 66, anything wrong in it with 78.

*On resume*: **free** keys may differ when a run goes on (the difference is logged); **fixed** ones may not (exit code 78) unless
`resume.allow_changes` names them or their section. What the data is, is compared by content, so paths are free.
)";

std::string escaped(std::string text) {
  for (std::size_t at = text.find('|'); at != std::string::npos; at = text.find('|', at + 2))
    text.replace(at, 1, "\\|");
  return text;
}

std::string default_cell(const Row& row) {
  std::string cell = row.derived.empty() ? "`" + default_text(row) + "`" : row.derived;
  for (const auto& [type, value] : row.default_with) cell += fmt::format(", {}: `{}`", type, value);
  return cell;
}

std::string line(const Row& row) {
  const std::string unit = row.unit.empty() ? "" : " (" + row.unit + ")";
  std::string text = row.text;
  if (!row.only_with.empty())
    text += fmt::format(" Only with `{}`: {}.", row.governed_by, fmt::join(row.only_with, ", "));
  return fmt::format("| `{}` | {}{} | {} | {} | {} |\n", row.key, escaped(accepts(row)), unit,
                     default_cell(row), row.on_resume == OnResume::kFree ? "free" : "fixed", escaped(text));
}

}  // namespace

std::string schema_markdown(const Schema& schema) {
  std::string page = kIntroduction;
  std::string section;
  for (const Row& row : schema.rows()) {
    const std::string own = row.key.substr(0, row.key.find('.'));
    if (own != section) {
      page += fmt::format(
          "\n## {}\n\n| Key | Accepts | Default | On resume | Meaning |\n|---|---|---|---|---|\n", own);
      section = own;
    }
    page += line(row);
  }
  return page;
}

}  // namespace lockstep
