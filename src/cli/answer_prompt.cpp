// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <charconv>
#include <nlohmann/json.hpp>
#include <string_view>
#include <vector>

#include "cli/answer.h"
#include "lockstep/base/error.h"
#include "loop/standard_streams.h"

namespace lockstep {
namespace {

using Json = nlohmann::ordered_json;

// Numbers between spaces or commas.
std::vector<std::int64_t> parse_tokens(std::string_view text) {
  std::vector<std::int64_t> tokens;
  const char* const separators = " ,\t\n";
  for (auto at = text.find_first_not_of(separators); at != std::string_view::npos;
       at = text.find_first_not_of(separators, at)) {
    const auto end = std::min(text.find_first_of(separators, at), text.size());
    std::int64_t token = 0;
    const auto [stop, error] = std::from_chars(text.data() + at, text.data() + end, token);
    if (error != std::errc() || stop != text.data() + end || token < 0)
      throw Fault(ExitCode::kUsage, fmt::format("--prompt: '{}' is no token", text.substr(at, end - at)),
                  "With data.type tokens a prompt is numbers, such as '464 995'");
    tokens.push_back(token);
    at = end;
  }
  return tokens;
}

std::vector<std::int64_t> bytes_of(std::string_view text) {
  std::vector<std::int64_t> tokens;
  for (const char byte : text) tokens.push_back(static_cast<unsigned char>(byte));
  return tokens;
}

// Bytes as they are, also where they are no text: what a terminal does with them is the reader's choice.
std::string text_of(const std::vector<std::int64_t>& tokens) {
  std::string text;
  for (const std::int64_t token : tokens)
    if (token < 256) text += static_cast<char>(token);
  return text;
}

}  // namespace

void answer_prompt(const Predictor& predictor, const RunConfig& config, const AnswerRequest& request) {
  const bool bytes = config.data.type == "text";
  if (!bytes && config.data.type != "tokens")
    throw Fault(ExitCode::kConfig, fmt::format("data.type {} has no texts to continue", config.data.type),
                "Use --input, or a config with data.type text or tokens");
  ContinuationOptions options;
  options.tokens = request.tokens;
  options.temperature = request.temperature;
  options.seed = request.seed;
  options.context = config.data.context;
  const auto prompt = bytes ? bytes_of(request.prompt) : parse_tokens(request.prompt);
  const auto added = continue_sequence(predictor, prompt, options);
  if (request.json) {
    Json json = {{"prompt", request.prompt}, {"seed", request.seed}};
    if (bytes) json["text"] = text_of(added);
    json["tokens"] = added;
    print(json.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n");
  } else if (bytes) {
    print(request.prompt + text_of(added) + "\n");
  } else {
    print(fmt::format("{}\n", fmt::join(added, " ")));
  }
}

}  // namespace lockstep
