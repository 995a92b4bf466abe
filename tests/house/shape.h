// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include "house/source.h"

namespace lockstep::house {

struct Function {
  std::string name;  // as written: Trainer::run
  int line = 0;
  int lines = 0;  // from its return type to its closing brace; 0: only declared
  int parameters = 0;
};

struct Class {
  std::string name;
  int line = 0;
  int bools = 0;  // data members, static ones aside
};

struct Shape {
  std::vector<Function> functions;
  std::vector<Class> classes;
  bool balanced = true;  // every brace has its partner
};

// The functions and classes of a C++ file. No compiler: macros are not expanded, and what is inside a
// function (lambdas, local classes) counts as part of it.
Shape shape_of(const File& file);

}  // namespace lockstep::house
