// SPDX-License-Identifier: Apache-2.0
#include "hdf5/object_header.h"

#include <algorithm>

namespace lockstep {

namespace {

// Most headers end within this, and are read at once.
constexpr std::uint64_t kFirstRead = 512;
// Far above any real header, so that small messages in a large one cannot cost many times its size.
constexpr std::size_t kMaxChunks = 4096;
constexpr std::size_t kMaxBytes = 16u << 20;
constexpr std::size_t kMaxMessages = 1u << 17;
constexpr std::size_t kPrefix1 = 16;
constexpr std::size_t kMessageHeader1 = 8;
constexpr std::size_t kSignature = 4;
constexpr std::size_t kChecksum = 4;
// Of a message, and of a header of version 2.
constexpr std::uint64_t kSharedFlag = 0x02;
constexpr std::uint64_t kCreationOrderFlag = 0x04;
constexpr std::uint64_t kAttributePhaseFlag = 0x10;
constexpr std::uint64_t kTimesFlag = 0x20;

}  // namespace

Hdf5ObjectHeader::Hdf5ObjectHeader(const Hdf5MetadataFile& file, std::uint64_t address) : file_(file) {
  if (address > file.size()) file.refuse("an object lies beyond its end: cut off or damaged");
  const auto beginning = keep(file.read(address, std::min(kFirstRead, file.size() - address)));
  if (Hdf5Cursor(file, beginning).number(1) == 1)
    read_version_1(address);
  else
    read_version_2(address, beginning);
}

const Hdf5Message* Hdf5ObjectHeader::find(Hdf5MessageType type) const {
  const auto found = std::ranges::find(messages_, type, &Hdf5Message::type);
  return found == messages_.end() ? nullptr : &*found;
}

std::span<const std::byte> Hdf5ObjectHeader::keep(std::vector<std::byte> chunk) {
  kept_ += chunk.size();
  if (chunks_.size() == kMaxChunks || kept_ > kMaxBytes)
    file_.refuse("the header of an object has more than 4096 pieces or 16 MiB");
  return chunks_.emplace_back(std::move(chunk));
}

void Hdf5ObjectHeader::read_version_1(std::uint64_t address) {
  Hdf5Cursor prefix(file_, chunks_.front());
  prefix.skip(8);
  const std::uint64_t size = prefix.number(4);
  prefix.skip(4);
  if (size <= prefix.remaining())
    add_messages(prefix.take(size), {});
  else
    add_messages(keep(file_.read(address + kPrefix1, size)), {});
  read_continuations({});
}

void Hdf5ObjectHeader::read_version_2(std::uint64_t address, std::span<const std::byte> beginning) {
  Hdf5Cursor prefix(file_, beginning);
  prefix.expect("OHDR", "object header");
  prefix.expect_version(2, "object header");
  const std::uint64_t flags = prefix.number(1);
  if ((flags & kTimesFlag) != 0) prefix.skip(16);
  if ((flags & kAttributePhaseFlag) != 0) prefix.skip(4);
  const std::uint64_t size = prefix.number(std::size_t{1} << (flags & 3));
  const std::size_t first = beginning.size() - prefix.remaining();
  const Form form{2, (flags & kCreationOrderFlag) != 0};
  if (size > file_.size()) file_.refuse("an object's header claims more bytes than the file has");
  if (size + kChecksum <= prefix.remaining()) {
    file_.require_checksum(beginning.first(first + size + kChecksum));
    add_messages(prefix.take(size), form);
  } else {
    add_messages(keep(file_.read_checked(address, first + size + kChecksum)).subspan(first), form);
  }
  read_continuations(form);
}

// By index: continuations add messages, among them further continuations.
void Hdf5ObjectHeader::read_continuations(const Form& form) {
  for (std::size_t i = 0; i < messages_.size(); ++i) {
    if (messages_[i].type != Hdf5MessageType::kContinuation) continue;
    Hdf5Cursor place(file_, messages_[i].bytes);
    const std::uint64_t address = place.number(8);
    const std::uint64_t bytes = place.number(8);
    if (form.version == 1) {
      add_messages(keep(file_.read(address, bytes)), form);
      continue;
    }
    const auto chunk = keep(file_.read_checked(address, bytes));
    Hdf5Cursor(file_, chunk).expect("OCHK", "object header");
    add_messages(chunk.subspan(kSignature), form);
  }
}

void Hdf5ObjectHeader::add_messages(std::span<const std::byte> bytes, const Form& form) {
  const std::size_t header = form.version == 1 ? kMessageHeader1 : form.creation_order ? 6 : 4;
  Hdf5Cursor in(file_, bytes);
  // Less than a header is a gap.
  while (in.remaining() >= header) {
    Hdf5Message message;
    message.type = static_cast<Hdf5MessageType>(in.number(form.version == 1 ? 2 : 1));
    const std::uint64_t size = in.number(2);
    message.shared = (in.number(1) & kSharedFlag) != 0;
    in.skip(form.version == 1 ? 3 : header - 4);
    message.bytes = in.take(size);
    if (messages_.size() == kMaxMessages)
      file_.refuse("the header of an object has more than 131072 messages");
    messages_.push_back(message);
  }
}

}  // namespace lockstep
