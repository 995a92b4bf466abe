// SPDX-License-Identifier: Apache-2.0
#include "comm/agree.h"

int main() {
#ifdef MISUSE
  const lockstep::Agreed<int> agreed{3};
  return agreed.value;
#endif
}
