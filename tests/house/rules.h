// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include "house/source.h"

namespace lockstep::house {

// Where the house rules are broken: the number that was found and the limit are in `what`.
struct Violation {
  std::string file;
  int line = 1;
  std::string what;
};
using Violations = std::vector<Violation>;

std::string to_text(const Violations& violations);

// Layers (layer_rules.cpp).
Violations modules_include_only_lower_ones(const Tree& tree);
Violations architecture_page_has_the_layers(const Tree& tree);
Violations libraries_stay_in_their_folders(const Tree& tree);
Violations torch_is_not_reached_from_below(const Tree& tree);
Violations public_headers_are_few_and_clean(const Tree& tree);
Violations no_two_folders_include_each_other(const Tree& tree);
Violations include_depth_is_small(const Tree& tree);
Violations environment_is_read_in_one_file(const Tree& tree);
Violations threads_are_asked_for_in_one_file(const Tree& tree);
Violations libraries_do_not_print(const Tree& tree);

// Budgets (size_rules.cpp).
Violations files_are_short(const Tree& tree);
Violations functions_are_short(const Tree& tree);
Violations parameters_are_few(const Tree& tree);
Violations bools_are_few(const Tree& tree);
Violations classes_are_short(const Tree& tree);
Violations rooms_are_small(const Tree& tree);
Violations comment_shares_are_sane(const Tree& tree);
Violations conditional_code_is_rare(const Tree& tree);

// Names (name_rules.cpp).
Violations a_name_is_defined_once(const Tree& tree);
Violations functions_are_defined_where_declared(const Tree& tree);

// Text (text_rules.cpp).
Violations files_name_their_license(const Tree& tree);
Violations headers_guard_themselves(const Tree& tree);
Violations open_work_has_a_number(const Tree& tree);
Violations no_path_of_one_machine(const Tree& tree);
Violations no_code_is_commented_out(const Tree& tree);
Violations no_pipe_ends_in_a_quiet_grep(const Tree& tree);
Violations links_lead_somewhere(const Tree& tree);

// Percentile by nearest rank of numbers in any order; 0 of none.
int percentile(std::vector<int> numbers, int percent);

// Lines with a comment, of lines that are not blank, in percent; license lines count as blank.
double comment_share(const Tree& tree, bool headers);

}  // namespace lockstep::house
