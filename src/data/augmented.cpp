// SPDX-License-Identifier: Apache-2.0
#include "data/augmented.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <utility>

#include "data/batch_layout.h"
#include "data/image_fields.h"
#include "data/refuse.h"

namespace lockstep {
namespace {

constexpr std::uint64_t kAugmentStream = 0x6175676d656e74;

// What is done to the images of one sample.
struct Move {
  bool flips = false;
  std::int64_t down = 0;
  std::int64_t right = 0;
};

// A field that is planes of pixels.
struct Planes {
  std::string name;
  std::size_t pixel_bytes = 0;
  std::int64_t height = 0;
  std::int64_t width = 0;
};

Move draw(const ImageAugmentation& how, const SampleContext& context) {
  KeyedGenerator generator = context.generator(kAugmentStream);
  const auto shift = [&] {
    return static_cast<std::int64_t>(generator.below(static_cast<std::uint64_t>(2 * how.crop + 1))) -
           how.crop;
  };
  // Always all three, so that one option does not change what another draws.
  const bool flips = generator.below(2) == 1;
  const std::int64_t down = shift();
  return {how.flip && flips, down, shift()};
}

// One row of pixels, moved and flipped; what comes from outside stays as `into` has it.
void move_row(std::span<const std::byte> from, std::span<std::byte> into, const Planes& planes,
              const Move& move) {
  const std::int64_t first = std::max<std::int64_t>(0, -move.right);
  const std::int64_t last = std::min(planes.width, planes.width - move.right);
  const std::size_t size = planes.pixel_bytes;
  if (!move.flips) {
    std::memcpy(&into[static_cast<std::size_t>(first) * size],
                &from[static_cast<std::size_t>(first + move.right) * size],
                static_cast<std::size_t>(last - first) * size);
    return;
  }
  for (std::int64_t x = first; x < last; ++x)
    std::memcpy(&into[static_cast<std::size_t>(planes.width - 1 - x) * size],
                &from[static_cast<std::size_t>(x + move.right) * size], size);
}

void apply(const Move& move, const Planes& planes, std::span<std::byte> pixels) {
  const std::vector<std::byte> before(pixels.begin(), pixels.end());
  std::ranges::fill(pixels, std::byte{0});
  const std::size_t row_bytes = static_cast<std::size_t>(planes.width) * planes.pixel_bytes;
  const auto rows = static_cast<std::int64_t>(pixels.size() / row_bytes);
  for (std::int64_t row = 0; row < rows; ++row) {
    const std::int64_t from = row % planes.height + move.down;
    if (from < 0 || from >= planes.height) continue;
    const std::int64_t in_all = row - row % planes.height + from;
    move_row(std::span(before).subspan(static_cast<std::size_t>(in_all) * row_bytes, row_bytes),
             pixels.subspan(static_cast<std::size_t>(row) * row_bytes, row_bytes), planes, move);
  }
}

class Augmented : public Dataset {
 public:
  Augmented(std::unique_ptr<Dataset> whole, const ImageAugmentation& how)
      : whole_(std::move(whole)), how_(how), planes_(planes_of(layout_of(*whole_), how)) {}

  std::int64_t size() const override { return whole_->size(); }
  SampleSpec spec() const override { return whole_->spec(); }
  std::vector<Field> fields() const override { return whole_->fields(); }
  std::string target_field() const override { return whole_->target_field(); }
  void sample(const SampleContext& context, Sample& into) const override {
    whole_->sample(context, into);
    if (!context.is_training) return;
    const Move move = draw(how_, context);
    for (const Planes& planes : planes_) apply(move, planes, into.bytes(planes.name));
  }
  Digest fingerprint() const override { return whole_->fingerprint(); }
  std::string place_of(std::int64_t index) const override { return whole_->place_of(index); }
  std::string description() const override { return whole_->description(); }
  std::vector<DataFile> files() const override { return whole_->files(); }
  void check_unchanged() const override { whole_->check_unchanged(); }

 private:
  static std::vector<Planes> planes_of(const BatchLayout& layout, const ImageAugmentation& how);

  std::unique_ptr<Dataset> whole_;
  ImageAugmentation how_;
  std::vector<Planes> planes_;
};

std::vector<Planes> Augmented::planes_of(const BatchLayout& layout, const ImageAugmentation& how) {
  std::vector<Planes> images, planes;
  std::string names;
  const auto as_planes = [](const Field& field) {
    const std::size_t dimensions = field.shape.size();
    return Planes{field.name, size_of(field.dtype), field.shape[dimensions - 2], field.shape[dimensions - 1]};
  };
  for (const Field& field : layout.fields) {
    names += fmt::format("{}{} {} {}", names.empty() ? "" : ", ", field.name, name_of(field.dtype),
                         shape_text(field.shape));
    if (field.name == layout.target && field.row_bytes() > size_of(field.dtype))
      refuse_option(fmt::format("data.augment moves images, and the target {} of {} would stay", field.name,
                                shape_text(field.shape)),
                    "Leave data.augment out, or move both in a dataset of your own.");
    if (field.name != layout.target && is_image(field)) images.push_back(as_planes(field));
  }
  if (images.empty())
    refuse_option(fmt::format("data.augment is for images, [channels, height, width] of bytes or floats; the "
                              "samples are {}",
                              names),
                  "Leave data.augment out.");
  for (const Field& field : layout.fields) {
    if (field.name == layout.target || field.varies() || field.shape.size() < 2) continue;
    const Planes own = as_planes(field);
    if (std::ranges::any_of(images, [&](const Planes& image) {
          return image.height == own.height && image.width == own.width;
        }))
      planes.push_back(own);
  }
  for (const Planes& image : images)
    if (how.crop >= std::min(image.height, image.width))
      refuse_option(fmt::format("data.augment.crop is {}, and images {} are {} x {}", how.crop, image.name,
                                image.height, image.width),
                    "It is the number of pixels that an image is padded by, such as 4.");
  return planes;
}

}  // namespace

std::unique_ptr<Dataset> augmented(std::unique_ptr<Dataset> dataset, const ImageAugmentation& how) {
  return std::make_unique<Augmented>(std::move(dataset), how);
}

}  // namespace lockstep
