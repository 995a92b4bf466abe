// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <charconv>
#include <filesystem>
#include <memory>

#include "checkpoint/reader.h"
#include "cli/ckpt_common.h"
#include "cli/ckpt_verbs.h"
#include "lockstep/base/error.h"
#include "shelf/tags.h"

namespace lockstep {
namespace {

namespace fs = std::filesystem;

struct TagArguments {
  std::vector<std::string> words;  // [DIR] [step-N] NAME
  bool remove = false;
  bool json = false;
};

// "step-1200" for step-00001200, as people say it; other words are what they are.
std::string full_name(const std::string& word) {
  std::int64_t step = -1;
  if (!word.starts_with("step-")) return word;
  const char* end = word.data() + word.size();
  const auto parsed = std::from_chars(word.data() + 5, end, step);
  return parsed.ec == std::errc() && parsed.ptr == end && step >= 0 ? step_directory(Step{step}) : word;
}

// The directory that the words before NAME name: a run's newest, a checkpoint, or DIR and the step in it.
std::string place_of(const std::vector<std::string>& words) {
  std::error_code error;
  if (words.size() == 3) return resolve_ckpt(words[0]).folder() + "/" + full_name(words[1]);
  return fs::exists(words[0], error) ? words[0] : full_name(words[0]);
}

void say(const TagArguments& arguments, const OrderedJson& json, const std::string& text) {
  print(arguments.json ? pretty(json) : text + "\n");
}

void remove_one(const TagArguments& arguments) {
  const std::string& name = arguments.words.back();
  const std::string folder = resolve_ckpt(place_of(arguments.words)).folder();
  refuse_checkpoints_of_another(folder);
  if (!remove_tag(real_disk(), folder, name))
    throw Fault(ExitCode::kInputMissing, folder + ": no tag " + name, "lockstep ckpt ls lists them");
  say(arguments, {{"tag", name}, {"removed", true}}, "tag " + name + " is taken off");
}

// One that names something else is never moved silently: it may be all that keeps that checkpoint.
void refuse_other_target(const std::string& folder, const std::string& name,
                         const CheckpointPointer& target) {
  for (const CheckpointTag& tag : list_tags(real_disk(), folder))
    if (tag.name == name && tag.target && *tag.target != target)
      throw Fault(ExitCode::kUsage,
                  fmt::format("tag {} names {} already{}", name, tag.target->directory,
                              tag.target->directory == target.directory ? ", another one of that step" : ""),
                  "Take it off first: lockstep ckpt tag DIR " + name + " --remove");
}

void set_one(const TagArguments& arguments) {
  const std::string& name = arguments.words.back();
  if (!is_tag_name(name))
    throw Fault(ExitCode::kUsage, "not a name for a tag: " + name,
                "1 to 64 letters, digits, '.', '_' and '-'; no '.' in front, no \".part\" at the end");
  const std::string path = one_checkpoint(resolve_ckpt(place_of(arguments.words)));
  const auto reader = CheckpointReader::open(real_disk(), path);
  const std::string folder = fs::path(path).parent_path().string();
  refuse_checkpoints_of_another(folder);
  if (!step_of_directory(path))
    throw Fault(ExitCode::kUsage, path + ": a checkpoint under a name of its own is never pruned",
                "Tags are for checkpoints in a run's ckpt folder");
  const CheckpointPointer target{step_directory(reader->record().step), reader->manifest().digest};
  refuse_other_target(folder, name, target);
  write_tag(real_disk(), folder, name, target);
  // A run may have pruned it between the look and the tag.
  if (!directory_of(real_disk(), folder, {name, target})) {
    remove_tag(real_disk(), folder, name);
    throw Fault(ExitCode::kInputMissing, path + ": it was removed just now", "Tag one that is still there");
  }
  say(arguments, {{"tag", name}, {"directory", path}, {"step", reader->record().step.value}},
      fmt::format("{} is tagged {}; retention does not touch it", path, name));
}

}  // namespace

void add_ckpt_tag(CLI::App& ckpt) {
  CLI::App* verb = ckpt.add_subcommand("tag",
                                       "Examples:\n"
                                       "  lockstep ckpt tag runs/digits step-1200 paper-v1\n"
                                       "  lockstep ckpt tag runs/digits paper-v1 --remove\n\n"
                                       "Names a checkpoint, which retention then never removes.");
  const auto arguments = std::make_shared<TagArguments>();
  verb->add_option(
          "WORDS", arguments->words,
          "A run directory and a step in it, or a checkpoint, or a run directory alone (its newest); "
          "then the name of the tag")
      ->required()
      ->expected(2, 3);
  verb->add_flag("--remove", arguments->remove, "Take the tag off; the checkpoint stays until it is pruned");
  verb->add_flag("--json", arguments->json, "Print JSON");
  verb->callback([arguments] { arguments->remove ? remove_one(*arguments) : set_one(*arguments); });
}

}  // namespace lockstep
