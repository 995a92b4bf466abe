// SPDX-License-Identifier: Apache-2.0
#include "lockstep/cli/application.h"

int main(int argc, char** argv) {
  return lockstep::run_application(argc, argv);
}
