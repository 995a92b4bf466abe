// SPDX-License-Identifier: Apache-2.0
#include "hdf5/copied_rows.h"

#include <algorithm>
#include <cstring>

namespace lockstep {

namespace {

// One chunk and the rows wanted, in one dimension.
struct Overlap {
  std::uint64_t count = 0;     // elements they share
  std::uint64_t in_chunk = 0;  // where these begin in the chunk, and in the rows
  std::uint64_t in_rows = 0;
  std::uint64_t chunk = 0;  // elements of the chunk, and of the rows
  std::uint64_t rows = 0;
};

class RowCopy {
 public:
  RowCopy(const Hdf5ChunkStore& chunks, const Hdf5TableHeader& header, const Hdf5RowRange& rows,
          std::span<std::byte> into)
      : chunks_(chunks), header_(header), rows_(rows), into_(into) {}

  void run() {
    const Hdf5ChunkGrid& grid = chunks_.grid();
    const std::uint64_t first = rows_.first / grid.chunk()[0];
    const std::uint64_t last = (rows_.first + rows_.count - 1) / grid.chunk()[0];
    std::vector<std::uint64_t> place(grid.rank(), 0);
    for (place[0] = first; place[0] <= last;) {
      copy_chunk(place);
      // The next one of these rows: the last dimension goes round first.
      std::size_t i = grid.rank() - 1;
      while (i > 0 && ++place[i] == grid.counts()[i]) place[i--] = 0;
      if (i == 0) ++place[0];
    }
  }

 private:
  void copy_chunk(const std::vector<std::uint64_t>& place) {
    overlaps_.clear();
    for (std::size_t i = 0; i < place.size(); ++i) overlaps_.push_back(overlap(i, place[i]));
    merge();
    const auto view = chunks_.chunk(*chunks_.grid().number_at(place));
    from_ = view.bytes.empty() ? nullptr : view.bytes.data();
    copy(0, 0, 0);
  }

  Overlap overlap(std::size_t dimension, std::uint64_t place) const {
    const std::uint64_t chunk = chunks_.grid().chunk()[dimension];
    const std::uint64_t start = dimension == 0 ? rows_.first : 0;
    const auto length =
        dimension == 0 ? rows_.count : static_cast<std::uint64_t>(header_.extent.shape[dimension]);
    const std::uint64_t begin = std::max(start, place * chunk);
    const std::uint64_t end = std::min(start + length, place * chunk + chunk);
    return {end - begin, begin - place * chunk, begin - start, chunk, length};
  }

  // Dimensions that both sides have whole are one run of bytes with the dimension in front of them.
  void merge() {
    std::uint64_t run = header_.type.bytes;
    while (overlaps_.size() > 1 && overlaps_.back().count == overlaps_.back().chunk &&
           overlaps_.back().count == overlaps_.back().rows) {
      run *= overlaps_.back().count;
      overlaps_.pop_back();
    }
    run_ = run;
  }

  // Positions are those of the dimension in front, in its elements.
  void copy(std::size_t dimension, std::uint64_t in_chunk, std::uint64_t in_rows) {
    const Overlap& here = overlaps_[dimension];
    in_chunk = in_chunk * here.chunk + here.in_chunk;
    in_rows = in_rows * here.rows + here.in_rows;
    if (dimension + 1 == overlaps_.size())
      return copy_run(in_chunk * run_, into_.subspan(in_rows * run_, here.count * run_));
    for (std::uint64_t i = 0; i < here.count; ++i) copy(dimension + 1, in_chunk + i, in_rows + i);
  }

  void copy_run(std::uint64_t in_chunk, std::span<std::byte> into) const {
    if (from_ != nullptr) {
      std::memcpy(into.data(), from_ + in_chunk, into.size());
      return;
    }
    for (; !into.empty(); into = into.subspan(header_.fill.size()))
      std::ranges::copy(header_.fill, into.begin());
  }

  const Hdf5ChunkStore& chunks_;
  const Hdf5TableHeader& header_;
  Hdf5RowRange rows_;
  std::span<std::byte> into_;
  std::vector<Overlap> overlaps_;    // of the dimensions that are not merged
  std::uint64_t run_ = 0;            // bytes of what is merged
  const std::byte* from_ = nullptr;  // the chunk, unless it was never written
};

}  // namespace

void copy_rows(const Hdf5ChunkStore& chunks, const Hdf5TableHeader& header, const Hdf5RowRange& rows,
               std::span<std::byte> into) {
  if (rows.count > 0) RowCopy(chunks, header, rows, into).run();
}

}  // namespace lockstep
