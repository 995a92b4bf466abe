// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>

namespace lockstep {

// What the header of a NumPy array (.npy, format versions 1 to 3) says, in Python's words, and where its
// values start. The texts are parts of the bytes it was read from.
struct NpyDictionary {
  std::string_view descr;  // "'<f4'"
  std::string_view order;  // fortran_order: "False"
  std::string_view shape;  // "(3, 4)"
  std::size_t values = 0;  // offset of the first
};

// Local. Whether bytes start as a NumPy array does.
bool is_npy(std::span<const std::byte> bytes);

// Local, for bytes that are_npy(). Throws Fault (66), naming `path` and giving `remedy`, for a header that is
// of another version or cut off. What it lacks is empty.
NpyDictionary read_npy_header(std::span<const std::byte> bytes, const std::string& path,
                              std::string_view remedy);

}  // namespace lockstep
