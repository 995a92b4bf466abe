// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <vector>

#include "config/row.h"

namespace lockstep {

// The table, section by section, in the order of the docs page.
std::vector<Row> run_rows();
std::vector<Row> model_rows();
std::vector<Row> data_file_rows();
std::vector<Row> data_content_rows();
std::vector<Row> train_rows();
std::vector<Row> optim_rows();
std::vector<Row> schedule_rows();
std::vector<Row> number_rows();  // on_nan, on_spike, rollback
std::vector<Row> dist_rows();
std::vector<Row> memory_rows();
std::vector<Row> checkpoint_rows();
std::vector<Row> run_life_rows();  // resume, watch, log

}  // namespace lockstep
