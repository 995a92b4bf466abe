// SPDX-License-Identifier: Apache-2.0
#include "base/stream_copy.h"

#include <algorithm>
#include <cstdint>
#include <cstring>

#ifdef __SSE2__
#include <emmintrin.h>
#endif

namespace lockstep {

#ifdef __SSE2__

void stream_copy(std::span<const std::byte> from, std::byte* to) {
  constexpr std::size_t kLine = 64;
  const std::size_t behind = reinterpret_cast<std::uintptr_t>(to) % kLine;
  const std::size_t head = std::min(from.size(), (kLine - behind) % kLine);
  std::memcpy(to, from.data(), head);
  std::size_t at = head;
  // Whole lines, so that none is read before it is written.
  for (; at + kLine <= from.size(); at += kLine) {
    const auto* source = reinterpret_cast<const __m128i*>(from.data() + at);
    auto* target = reinterpret_cast<__m128i*>(to + at);
    const __m128i a = _mm_loadu_si128(source);
    const __m128i b = _mm_loadu_si128(source + 1);
    const __m128i c = _mm_loadu_si128(source + 2);
    const __m128i d = _mm_loadu_si128(source + 3);
    _mm_stream_si128(target, a);
    _mm_stream_si128(target + 1, b);
    _mm_stream_si128(target + 2, c);
    _mm_stream_si128(target + 3, d);
  }
  std::memcpy(to + at, from.data() + at, from.size() - at);
  // These stores are ordered by nothing else: another thread may read what it was told is there.
  _mm_sfence();
}

#else

void stream_copy(std::span<const std::byte> from, std::byte* to) {
  std::memcpy(to, from.data(), from.size());
}

#endif

}  // namespace lockstep
