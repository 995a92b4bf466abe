// SPDX-License-Identifier: Apache-2.0
#pragma once

// Lockstep for a loop of one's own: docs/your-own-loop.md.
#include "lockstep/base/error.h"
#include "lockstep/loop/checkpoints.h"
#include "lockstep/loop/data_parallel.h"
#include "lockstep/loop/session.h"
#include "lockstep/optim/loss_scaler.h"
#include "lockstep/tensors/each_once.h"
