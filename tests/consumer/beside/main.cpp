// SPDX-License-Identifier: Apache-2.0
// A program's own HDF5 and MPI, and something of Lockstep that needs its library.
#include <hdf5.h>
#include <lockstep/base/hash.h>
#include <mpi.h>

#include <cstdio>
#include <string>

int main() {
  unsigned major = 0, minor = 0, release = 0;
  int mpi = 0, subversion = 0;
  if (H5get_libversion(&major, &minor, &release) < 0 || MPI_Get_version(&mpi, &subversion) != MPI_SUCCESS)
    return 1;
  std::printf("HDF5 %u, MPI %d, %s\n", major, mpi, lockstep::digest_of(std::string("both")).hex().c_str());
  return 0;
}
