// SPDX-License-Identifier: Apache-2.0
#include "run/tensorboard.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <limits>
#include <nlohmann/json.hpp>
#include <sstream>
#include <vector>

#include "run/journal.h"
#include "support/manual_clock.h"
#include "support/temp_dir.h"

namespace lockstep {
namespace {

using testing::read_file;
using testing::TempDir;
using testing::write_file;

template <class T>
T at(const std::string& bytes, std::size_t place) {
  T value{};
  std::memcpy(&value, bytes.data() + place, sizeof value);
  return value;
}

// What a reader of TFRecords takes: whole records with right checksums, up to the first that is not.
std::vector<std::string> records_of(const std::string& bytes) {
  std::vector<std::string> records;
  std::size_t place = 0;
  while (bytes.size() - place >= 16) {
    const auto size = at<std::uint64_t>(bytes, place);
    if (at<std::uint32_t>(bytes, place + 8) != tensorboard_mask(crc32c(bytes.substr(place, 8)))) break;
    if (size > bytes.size() - place - 16) break;
    const std::string data = bytes.substr(place + 12, size);
    if (at<std::uint32_t>(bytes, place + 12 + size) != tensorboard_mask(crc32c(data))) break;
    records.push_back(data);
    place += size + 16;
  }
  return records;
}

// A message's fields by number, one level of it; a nested message is a string again.
struct Fields {
  std::map<unsigned, std::uint64_t> numbers;
  std::map<unsigned, std::vector<std::string>> bytes;
};

std::uint64_t varint(const std::string& message, std::size_t& place) {
  std::uint64_t value = 0;
  for (int shift = 0; shift < 64; shift += 7) {
    const auto byte = static_cast<unsigned char>(message.at(place++));
    value |= static_cast<std::uint64_t>(byte & 0x7f) << shift;
    if (byte < 0x80) break;
  }
  return value;
}

Fields parse(const std::string& message) {
  Fields fields;
  for (std::size_t place = 0; place < message.size();) {
    const std::uint64_t key = varint(message, place);
    const auto number = static_cast<unsigned>(key >> 3);
    if ((key & 7) == 0) {
      fields.numbers[number] = varint(message, place);
      continue;
    }
    const std::size_t size = (key & 7) == 1 ? 8 : (key & 7) == 5 ? 4 : varint(message, place);
    if ((key & 7) == 1) fields.numbers[number] = at<std::uint64_t>(message, place);
    if ((key & 7) == 5) fields.numbers[number] = at<std::uint32_t>(message, place);
    fields.bytes[number].push_back(message.substr(place, size));
    place += size;
  }
  return fields;
}

float bits_as_float(std::uint64_t bits) {
  const auto narrow = static_cast<std::uint32_t>(bits);
  float value = 0;
  std::memcpy(&value, &narrow, sizeof value);
  return value;
}

std::map<std::string, float> values_of(const Fields& event) {
  std::map<std::string, float> values;
  const Fields summary = parse(event.bytes.at(5).at(0));
  for (const std::string& one : summary.bytes.at(1)) {
    const Fields value = parse(one);
    values[value.bytes.at(1).at(0)] = bits_as_float(value.numbers.at(2));
  }
  return values;
}

StepRecord record_of(std::int64_t step, double loss) {
  StepRecord record;
  record.step = Step(step);
  record.loss = loss;
  return record;
}

TEST(Crc32c, IsCastagnolis) {
  // The values of RFC 3720, B.4.
  EXPECT_EQ(crc32c(std::string(32, '\0')), 0x8a9136aau);
  EXPECT_EQ(crc32c(std::string(32, '\xff')), 0x62a8ab43u);
  EXPECT_EQ(crc32c("123456789"), 0xe3069283u);
}

TEST(TensorBoard, ASessionStartsAtItsFirstStep) {
  const auto records = records_of(tensorboard_start(1.5, 300));
  ASSERT_EQ(records.size(), 2u);
  EXPECT_EQ(parse(records[0]).bytes.at(3).at(0), "brain.Event:2");
  const Fields start = parse(records[1]);
  EXPECT_EQ(at<double>(start.bytes.at(1).at(0), 0), 1.5);
  EXPECT_EQ(start.numbers.at(2), 300u);
  EXPECT_EQ(parse(start.bytes.at(7).at(0)).numbers.at(1), 1u);
}

TEST(TensorBoard, ValuesAreTheFloatsTheyWereAlsoWhereTheyAreNotFinite) {
  const double infinite = std::numeric_limits<double>::infinity();
  const std::map<std::string, double> given = {
      {"loss", 1.0 / 3}, {"a/b", -0.0}, {"bad", std::nan("")}, {"high", infinite}, {"big", 1e300}};
  const auto records = records_of(tensorboard_values(0, 1LL << 40, given));
  ASSERT_EQ(records.size(), 1u);
  const Fields event = parse(records[0]);
  EXPECT_EQ(event.numbers.at(2), 1ull << 40);
  const auto values = values_of(event);
  ASSERT_EQ(values.size(), given.size());
  EXPECT_EQ(values.at("loss"), 1.0f / 3);
  EXPECT_TRUE(std::signbit(values.at("a/b")));
  EXPECT_TRUE(std::isnan(values.at("bad")));
  EXPECT_EQ(values.at("high"), std::numeric_limits<float>::infinity());
  EXPECT_EQ(values.at("big"), std::numeric_limits<float>::infinity());
}

TEST(TensorBoard, AFileThatEndsAnywhereIsReadUpToItsLastWholeRecord) {
  std::string bytes = tensorboard_start(0, 1);
  std::vector<std::size_t> ends = {0, 0};
  for (int step = 1; step <= 3; ++step) {
    bytes += tensorboard_values(0, step, {{"loss", 1.0 / step}});
    ends.push_back(bytes.size());
  }
  ASSERT_EQ(records_of(bytes).size(), 5u);
  for (std::size_t size = tensorboard_start(0, 1).size(); size < bytes.size(); ++size) {
    std::size_t whole = 2;
    while (whole < ends.size() && ends[whole] <= size) ++whole;
    ASSERT_EQ(records_of(bytes.substr(0, size)).size(), whole) << size;
  }
}

TEST(TensorBoard, FilesOfLaterAttemptsComeLater) {
  EXPECT_LT(tensorboard_file(2), tensorboard_file(10));
  EXPECT_NE(tensorboard_file(1).find("tfevents"), std::string::npos);
}

TEST(JournalsTensorBoard, HasWhatMetricsJsonlHas) {
  const TempDir folder;
  const ManualClock clock;
  {
    Journal journal(real_disk(), clock, folder.path(), Attempt(1));
    journal.write_tensorboard();
    journal.begin(Step(1));
    StepRecord record = record_of(1, 0.1);
    record.metrics = {{"valid_loss", 0.7}};
    journal.record(record);
    journal.record(record_of(2, 0.05));
  }
  std::istringstream lines(read_file(folder / "metrics.jsonl"));
  const auto records = records_of(read_file(folder / "tb/" + tensorboard_file(1)));
  ASSERT_EQ(records.size(), 4u);
  for (std::size_t i = 2; i < records.size(); ++i) {
    std::string line;
    std::getline(lines, line);
    const auto json = nlohmann::json::parse(line);
    const Fields event = parse(records[i]);
    EXPECT_EQ(event.numbers.at(2), json["step"].get<std::uint64_t>());
    for (const auto& [tag, value] : values_of(event)) EXPECT_EQ(value, json[tag].get<float>()) << tag;
    EXPECT_EQ(values_of(event).size(), i == 2 ? 5u : 4u);
  }
}

TEST(JournalsTensorBoard, TheNextAttemptLeavesATornFileAloneAndBeginsItsOwnAtItsFirstStep) {
  const TempDir folder;
  const ManualClock clock;
  std::string torn;
  for (const int attempt : {1, 2}) {
    Journal journal(real_disk(), clock, folder.path(), Attempt(attempt));
    journal.write_tensorboard();
    journal.begin(Step(attempt == 1 ? 1 : 5));
    for (int step = attempt == 1 ? 1 : 5; step <= 8; ++step) journal.record(record_of(step, 1.0 / step));
    journal.flush();
    if (attempt == 2) break;
    const std::string path = folder / "tb/" + tensorboard_file(1);
    torn = read_file(path);
    torn.resize(torn.size() - 5);
    write_file(path, torn);
  }
  EXPECT_EQ(read_file(folder / "tb/" + tensorboard_file(1)), torn);
  EXPECT_EQ(records_of(torn).size(), 2u + 7);
  const auto second = records_of(read_file(folder / "tb/" + tensorboard_file(2)));
  ASSERT_EQ(second.size(), 2u + 4);
  EXPECT_EQ(parse(second[1]).numbers.at(2), 5u);
}

TEST(JournalsTensorBoard, ARunThatGoesBackInOneLifeBeginsASessionThere) {
  const TempDir folder;
  const ManualClock clock;
  {
    Journal journal(real_disk(), clock, folder.path(), Attempt(1));
    journal.write_tensorboard();
    journal.begin(Step(1));
    for (const int step : {1, 10, 20, 10, 20}) journal.record(record_of(step, 1.0 / step));
  }
  const auto records = records_of(read_file(folder / "tb/" + tensorboard_file(1)));
  ASSERT_EQ(records.size(), 2u + 3 + 2 + 2);
  const Fields start = parse(records[6]);
  EXPECT_EQ(start.numbers.at(2), 10u);
  EXPECT_EQ(start.bytes.count(7), 1u);
}

TEST(JournalsTensorBoard, IsNotThereUnlessAskedFor) {
  const TempDir folder;
  const ManualClock clock;
  {
    Journal journal(real_disk(), clock, folder.path(), Attempt(1));
    journal.begin(Step(1));
    journal.record(record_of(1, 1));
  }
  EXPECT_FALSE(real_disk().info(folder / "tb"));
}

}  // namespace
}  // namespace lockstep
