// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdint>
#include <cstring>
#include <string>
#include <vector>

#include "data/host_batch.h"
#include "lockstep/base/error.h"
#include "lockstep/data/dataset.h"
#include "lockstep/data/registry.h"
#include "support/temp_dir.h"

namespace lockstep::testing {

inline std::string big_endian(std::uint32_t number) {
  std::string bytes;
  for (int shift = 24; shift >= 0; shift -= 8) bytes += static_cast<char>(number >> shift & 0xff);
  return bytes;
}

inline std::string counting(std::size_t bytes, int start = 0) {
  std::string text(bytes, '\0');
  for (std::size_t i = 0; i < bytes; ++i) text[i] = static_cast<char>((start + i) % 251);
  return text;
}

inline std::string idx3(std::uint32_t count, std::uint32_t rows, std::uint32_t columns) {
  return big_endian(0x803) + big_endian(count) + big_endian(rows) + big_endian(columns) +
         counting(std::size_t{count} * rows * columns);
}

inline std::string idx1(std::uint32_t count) {
  std::string labels;
  for (std::uint32_t i = 0; i < count; ++i) labels += static_cast<char>(i % 10);
  return big_endian(0x801) + big_endian(count) + labels;
}

inline std::string cifar(int count, int start = 0) {
  std::string records;
  for (int i = 0; i < count; ++i)
    records += static_cast<char>((start + i) % 10) + counting(3 * 32 * 32, start + i);
  return records;
}

template <class Value>
std::string raw(const std::vector<Value>& values) {
  return {reinterpret_cast<const char*>(values.data()), values.size() * sizeof(Value)};
}

inline std::string llmc_header(std::int32_t tokens, std::int32_t version = 1, std::int32_t magic = 20240520) {
  std::vector<std::int32_t> header(256);
  header[0] = magic;
  header[1] = version;
  header[2] = tokens;
  return raw(header);
}

// As numpy.save writes it; `shape` is Python's.
inline std::string npy(const std::string& descr, const std::string& shape, const std::string& payload,
                       int version = 1) {
  std::string header = "{'descr': '" + descr + "', 'fortran_order': False, 'shape': " + shape + ", }";
  while ((header.size() + 13) % 64 != 0) header += ' ';
  header += '\n';
  std::string bytes{"\x93NUMPY", 6};
  bytes += static_cast<char>(version);
  bytes += '\0';
  for (int shift = 0; shift < (version == 1 ? 16 : 32); shift += 8)
    bytes += static_cast<char>(header.size() >> shift & 0xff);
  return bytes + header + payload;
}

// One sample, read the way the loader does.
struct SampleBytes {
  std::vector<std::byte> input;
  std::vector<std::byte> target;
};

inline SampleBytes read_sample(const Dataset& dataset, std::int64_t index) {
  HostBatch batch;
  batch.shape(layout_of(dataset), 1);
  batch.fill(0, dataset, {.index = index});
  batch.finish();
  const auto bytes = [&](std::size_t field) {
    const auto all = batch.fields().at(field).bytes.span();
    return std::vector<std::byte>(all.begin(), all.end());
  };
  return {bytes(0), bytes(1)};
}

template <class Value>
std::vector<Value> as(const std::vector<std::byte>& bytes) {
  std::vector<Value> values(bytes.size() / sizeof(Value));
  if (!bytes.empty()) std::memcpy(values.data(), bytes.data(), bytes.size());
  return values;
}

inline std::unique_ptr<Dataset> open_data(const DataOptions& options, DataPart part = DataPart::kTrain) {
  return DatasetRegistry::with_builtin().open(options, part);
}

// `act` must throw a Fault with this code, whose message holds `text`.
template <class Act>
void expect_fault(ExitCode code, const std::string& text, Act act) {
  try {
    act();
    ADD_FAILURE() << "no Fault, expected one with: " << text;
  } catch (const Fault& fault) {
    EXPECT_EQ(fault.code(), code) << fault.what();
    EXPECT_THAT(fault.what(), ::testing::HasSubstr(text));
    EXPECT_FALSE(fault.remedy().empty()) << fault.what();
  }
}

}  // namespace lockstep::testing
