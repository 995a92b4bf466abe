// SPDX-License-Identifier: Apache-2.0
#include "untrusted/inflate.h"

#include <zlib.h>

#include <algorithm>
#include <new>

#include "untrusted/refusal.h"

namespace lockstep {
namespace {

// zlib counts what it is given in 32 bits.
constexpr std::size_t kMostAtOnce = std::size_t{1} << 30;

struct Stream {
  z_stream state{};
  Stream() {
    // Raw: the checksum is the archive's.
    if (inflateInit2(&state, -MAX_WBITS) != Z_OK) throw std::bad_alloc();
  }
  ~Stream() { inflateEnd(&state); }
  Stream(const Stream&) = delete;
  Stream& operator=(const Stream&) = delete;
};

template <class Byte>
uInt next_of(std::span<Byte>& left) {
  const std::size_t bytes = std::min(left.size(), kMostAtOnce);
  left = left.subspan(bytes);
  return static_cast<uInt>(bytes);
}

}  // namespace

void inflate(std::span<const std::byte> packed, std::span<std::byte> into, const std::string& origin) {
  Stream stream;
  z_stream& state = stream.state;
  std::byte behind{};  // a stream that goes on shows itself by writing here
  state.next_in = reinterpret_cast<Bytef*>(const_cast<std::byte*>(packed.data()));
  state.next_out = reinterpret_cast<Bytef*>(into.empty() ? &behind : into.data());
  int result = Z_OK;
  bool full = into.empty();
  if (full) state.avail_out = 1;
  while (result == Z_OK) {
    if (state.avail_in == 0) state.avail_in = next_of(packed);
    if (state.avail_out == 0 && !full) {
      full = into.empty();
      state.avail_out = full ? 1 : next_of(into);
      if (full) state.next_out = reinterpret_cast<Bytef*>(&behind);
    }
    result = ::inflate(&state, Z_NO_FLUSH);
  }
  const bool exact = full ? state.avail_out == 1 : state.avail_out == 0 && into.empty();
  if (result == Z_MEM_ERROR) throw std::bad_alloc();
  if (result != Z_STREAM_END || !exact || state.avail_in != 0 || !packed.empty())
    refuse_bytes(origin, "its compressed bytes are damaged, or do not unpack to the length it claims");
}

}  // namespace lockstep
