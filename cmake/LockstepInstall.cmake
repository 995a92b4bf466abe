# SPDX-License-Identifier: Apache-2.0
# find_package(Lockstep) from outside gives Lockstep::lockstep.
