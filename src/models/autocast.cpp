// SPDX-License-Identifier: Apache-2.0
#include "lockstep/models/autocast.h"

#include <ATen/autocast_mode.h>

namespace lockstep {

namespace autocast = at::autocast;

Autocast::Autocast(torch::DeviceType device, std::optional<torch::ScalarType> dtype)
    : device_(device), dtype_(dtype) {
  if (!dtype_) return;
  former_dtype_ = autocast::get_autocast_dtype(device_);
  was_on_ = autocast::is_autocast_enabled(device_);
  was_caching_ = autocast::is_autocast_cache_enabled();
  // LibTorch finds a weight again whatever it was cast to.
  if (was_on_ && former_dtype_ != *dtype_) autocast::clear_cache();
  autocast::set_autocast_dtype(device_, *dtype_);
  autocast::set_autocast_enabled(device_, true);
  autocast::set_autocast_cache_enabled(true);
  autocast::increment_nesting();
}

Autocast::~Autocast() {
  if (!dtype_) return;
  // A weight that was cast is of no use behind an update, nor to another dtype.
  if (autocast::decrement_nesting() == 0 || former_dtype_ != *dtype_) autocast::clear_cache();
  autocast::set_autocast_cache_enabled(was_caching_);
  autocast::set_autocast_enabled(device_, was_on_);
  autocast::set_autocast_dtype(device_, former_dtype_);
}

}  // namespace lockstep
