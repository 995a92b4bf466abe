// SPDX-License-Identifier: Apache-2.0
#pragma once

namespace lockstep {

// How the files of a checkpoint are read.
struct ReadOptions {
  int threads = 2;
  // No other process of this host reads them now: what is not in the page cache is read around it, at the
  // disk's speed. Several read it from the disk once, and all of them from the cache.
  bool alone = true;
};

}  // namespace lockstep
