// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include "house/source.h"

namespace lockstep::house {

struct Function {
  std::string name;   // as written: Trainer::run
  std::string scope;  // what it is written in: lockstep::Trainer::; a namespace without name is (unnamed)::
  int line = 0;
  int lines = 0;  // from its return type to its closing brace; 0: only declared
  int parameters = 0;
};

struct Class {
  std::string name;
  int line = 0;
  int bools = 0;  // data members, static ones aside
  int lines = 0;  // from its head to its closing brace
};

// A class, an enum or an alias that gets its meaning here.
struct Type {
  std::string name;
  std::string scope;
  int line = 0;
};

struct Shape {
  std::vector<Function> functions;
  std::vector<Class> classes;
  std::vector<Type> types;
  bool balanced = true;  // every brace has its partner
};

// The functions and classes of a C++ file. No compiler: macros are not expanded, and what is inside a
// function (lambdas, local classes) counts as part of it.
Shape shape_of(const File& file);

}  // namespace lockstep::house
