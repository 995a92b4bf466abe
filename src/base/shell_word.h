// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

namespace lockstep {

// `word` as a shell reads it back as one word: in quotes where it needs them, printable throughout.
std::string shell_word(const std::string& word);

}  // namespace lockstep
