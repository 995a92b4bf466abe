// SPDX-License-Identifier: Apache-2.0
#include "base/foreign_exception.h"

#include <cxxabi.h>
#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <memory>
#include <new>
#include <stdexcept>
#include <system_error>

namespace lockstep {
namespace {

std::string type_in_flight() {
  const std::type_info* type = abi::__cxa_current_exception_type();
  if (type == nullptr) return "an exception of no C++ type";
  int status = 0;
  const std::unique_ptr<char, void (*)(void*)> name(
      abi::__cxa_demangle(type->name(), nullptr, nullptr, &status), std::free);
  return status == 0 ? name.get() : type->name();
}

// LibTorch's words end where its trace of its own functions begins.
std::string without_backtrace(std::string text) {
  for (const char* mark : {"\nException raised from ", "\nC++ CapturedTraceback"})
    text.resize(std::min(text.find(mark), text.size()));
  while (!text.empty() && (text.back() == '\n' || text.back() == ' ')) text.pop_back();
  return text;
}

// The words from `mark` on that are a number and its unit.
std::string amount_after(const std::string& text, const std::string& mark) {
  const auto at = text.find(mark);
  if (at == std::string::npos) return "";
  const auto begin = at + mark.size();
  const auto unit = text.find(' ', begin);
  const auto end =
      unit == std::string::npos ? unit : text.find_first_not_of("abcdefghijklmnopqrstuvwxyzGKMTBi", unit + 1);
  return text.substr(begin, end == std::string::npos ? end : end - begin);
}

// A stranger's exception may speak of memory and mean something else; LibTorch's does not.
bool says_out_of_memory(const std::string& text) {
  return text.find("can't allocate memory") != std::string::npos ||
         text.find("out of memory") != std::string::npos;
}

// What std::thread throws, and nothing else in a program that waits where it opens and reads.
Fault no_thread(const std::system_error& error) {
  return Fault(
      ExitCode::kCannotStart, fmt::format("no thread could be made: {}", error.code().message()),
      "Raise the limit of processes and threads (ulimit -u, pids.max of the cgroup), or of addresses "
      "(ulimit -v)");
}

}  // namespace

ForeignException foreign_exception() {
  using Kind = ForeignException::Kind;
  try {
    throw;
  } catch (const Fault&) {
    throw;
  } catch (const Bug&) {
    throw;
  } catch (const std::bad_alloc&) {
    return {Kind::kOutOfMemory, type_in_flight(), ""};
  } catch (const std::system_error& error) {
    if (error.code() == std::errc::resource_unavailable_try_again) throw no_thread(error);
    return {Kind::kOther, type_in_flight() + ": " + error.what(), ""};
  } catch (const std::exception& error) {
    const std::string type = type_in_flight();
    const std::string said = without_backtrace(error.what());
    ForeignException found{Kind::kOther, said.empty() ? type : type + ": " + said, ""};
    const bool of_torch = type.starts_with("c10::") || type.starts_with("torch::");
    if (of_torch) found.kind = Kind::kLibTorch;
    if (said.find("CUDA error") != std::string::npos) found.kind = Kind::kOther;
    if (of_torch && says_out_of_memory(said)) {
      found.kind = Kind::kOutOfMemory;
      found.asked = amount_after(said, "you tried to allocate ");
      if (found.asked.empty()) found.asked = amount_after(said, "Tried to allocate ");
    }
    return found;
  } catch (...) {
    return {Kind::kOther, "an exception of type " + type_in_flight(), ""};
  }
}

Fault out_of_memory(const ForeignException& exception, const std::string& doing, const std::string& remedy) {
  const std::string asked = exception.asked.empty()
                                ? "more than there is was asked for (how much is not known)"
                                : exception.asked + " were asked for";
  return Fault(ExitCode::kCannotStart, fmt::format("out of memory: {}, {}", doing, asked), remedy);
}

}  // namespace lockstep
