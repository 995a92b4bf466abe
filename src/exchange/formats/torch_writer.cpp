// SPDX-License-Identifier: Apache-2.0
#include "exchange/formats/torch_writer.h"

#include "exchange/formats/pickle_writer.h"
#include "exchange/formats/zip_writer.h"

namespace lockstep {

std::uint64_t write_torch_file(WritableFile& file, const PyValue& root,
                               std::span<const OutgoingTensor> storages) {
  // torch.load takes any folder name, and this order of entries.
  const std::string folder = "lockstep/";
  ZipWriter zip(file);
  zip.add(folder + "data.pkl", write_pickle(root));
  zip.add(folder + "byteorder", "little");
  for (const OutgoingTensor& storage : storages) zip.add(folder + "data/" + storage.name, storage.content());
  zip.add(folder + "version", "3\n");
  return zip.finish();
}

}  // namespace lockstep
