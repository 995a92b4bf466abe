// SPDX-License-Identifier: Apache-2.0
#include "parallel/sealed_parameters.h"

#include <fmt/format.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <ctime>
#include <utility>

#include "base/aligned_block.h"
#include "base/memory_file.h"
#include "comm/launch/job.h"
#include "lockstep/base/error.h"

namespace lockstep {
namespace {

// All of them, one behind the other. They come and go on the thread that trains, which a fault interrupts
// elsewhere.
std::atomic<SealedParameters*> first{nullptr};
struct sigaction before {};

// A second mapping of the same pages (mremap(2), old_size 0).
torch::Tensor mapped_again(std::byte* memory, std::size_t bytes, const torch::Tensor& like) {
  void* const place = ::mremap(memory, 0, bytes, MREMAP_MAYMOVE);
  if (place == MAP_FAILED)
    throw Fault(ExitCode::kCannotStart,
                fmt::format("parameters cannot be mapped a second time: {}", std::strerror(errno)),
                "Allow this process more addresses (ulimit -v), or set dist.shared_memory: false");
  leave_out_of_forks_and_dumps(place, bytes);
  const auto unmap = [bytes](void* mapping) { ::munmap(mapping, bytes); };
  return torch::from_blob(place, like.sizes(), unmap, like.options().requires_grad(false));
}

}  // namespace

SealedParameters::SealedParameters(const ModelArena& arena, std::vector<std::string> texts, bool speaks_first)
    : arena_(arena),
      texts_(std::move(texts)),
      speaks_first_(speaks_first),
      memory_(static_cast<std::byte*>(arena.values().data_ptr())),
      bytes_(round_up_to_direct(arena.trainable_values().nbytes())),
      writable_(mapped_again(memory_, bytes_, arena.trainable_values())) {}

SealedParameters::~SealedParameters() {
  if (!is_sealed_) return;
  if (first == this)
    first = next_;
  else
    for (SealedParameters* at = first; at != nullptr; at = at->next_)
      if (at->next_ == this) at->next_ = next_;
  if (first == nullptr) ::sigaction(SIGSEGV, &before, nullptr);
  ::mprotect(memory_, bytes_, PROT_READ | PROT_WRITE);
}

void SealedParameters::seal() {
  if (is_sealed_) return;
  is_sealed_ = true;
  next_ = first;
  first = this;
  if (next_ == nullptr) {
    struct sigaction action {};
    action.sa_sigaction = on_fault;
    action.sa_flags = SA_SIGINFO | SA_ONSTACK;
    ::sigaction(SIGSEGV, &action, &before);
  }
  ::mprotect(memory_, bytes_, PROT_READ);
}

// Null where it is none of these.
const char* SealedParameters::text_at(const void* address) const {
  const auto* const at = static_cast<const std::byte*>(address);
  if (at < memory_ || at >= memory_ + bytes_) return nullptr;
  const auto element = (at - memory_) / static_cast<std::ptrdiff_t>(writable_.element_size());
  const auto next = std::ranges::upper_bound(arena_.trainable(), element, {}, &ArenaEntry::offset);
  return texts_[static_cast<std::size_t>(next - arena_.trainable().begin() - 1)].c_str();
}

const char* SealedParameters::text_of_any(const void* address) {
  const char* text = nullptr;
  for (const SealedParameters* at = first; at != nullptr && text == nullptr; at = at->next_)
    text = at->text_at(address);
  return text;
}

// Not at any moment, but at a store to such a parameter: nothing that is done here is interrupted in itself.
void SealedParameters::on_fault(int signal, siginfo_t* info, void* /*context*/) {
  const char* const text = info->si_code == SEGV_ACCERR ? text_of_any(info->si_addr) : nullptr;
  if (text != nullptr) {
    // A launcher that ends a job asks first, which interrupts the wait.
    timespec moment{3, 0};
    while (!first.load()->speaks_first_ && ::nanosleep(&moment, &moment) != 0 && errno == EINTR) {
    }
    const std::string line = fmt::format("lockstep: error: {}\n", text);
    [[maybe_unused]] const ssize_t written = ::write(STDERR_FILENO, line.data(), line.size());
    abort_job(ExitCode::kConfig);
  }
  // Somebody else's: it happens once more, and is theirs. One that was sent (kill, raise) would not.
  ::sigaction(signal, &before, nullptr);
  if (info->si_code <= 0) ::raise(signal);
}

}  // namespace lockstep
