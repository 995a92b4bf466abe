// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace lockstep {

// A line made where neither memory nor locks may be touched: in a signal handler. What does not fit is left
// out.
class SignalText {
 public:
  SignalText& add(std::string_view text) {
    for (const char c : text)
      if (size_ < text_.size()) text_[size_++] = c;
    return *this;
  }
  SignalText& add(std::int64_t number) {
    if (number < 0) return add("-").add(-number);
    if (number >= 10) add(number / 10);
    const char digit = static_cast<char>('0' + number % 10);
    return add(std::string_view(&digit, 1));
  }
  // 12345 as 12.3.
  SignalText& add_thousandths(std::int64_t number) {
    return add(number / 1000).add(".").add(number % 1000 / 100);
  }

  const char* data() const { return text_.data(); }
  std::size_t size() const { return size_; }

 private:
  std::array<char, 240> text_{};
  std::size_t size_ = 0;
};

}  // namespace lockstep
