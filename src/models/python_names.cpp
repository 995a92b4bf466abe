// SPDX-License-Identifier: Apache-2.0
#include "models/python_names.h"

namespace lockstep {

std::map<std::string, std::string> second_names_in_python(const std::string& model_type) {
  // GPT-2's output projection is its embedding.
  if (model_type == "gpt") return {{"lm_head.weight", "transformer.wte.weight"}};
  return {};
}

}  // namespace lockstep
