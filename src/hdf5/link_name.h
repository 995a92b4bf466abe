// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>

namespace lockstep {

// A tensor name as one HDF5 link: '/', '%' and control bytes become %XX (upper-case hex), as does the first
// byte of "." and "..", which HDF5 reads as paths. Throws Bug for an empty name.
std::string encode_link(std::string_view name);

// The inverse of encode_link. A '%' that starts no such escape stays as it is: files of others have their own
// names.
std::string decode_link(std::string_view link);

}  // namespace lockstep
