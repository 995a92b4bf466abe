// SPDX-License-Identifier: Apache-2.0
#include "job/job.h"

#include <signal.h>

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <thread>

namespace lockstep::testing {
namespace {

namespace fs = std::filesystem;

constexpr const char* kTwoHosts = LOCKSTEP_SOURCE_DIR "/tests/support/two_hosts";

std::vector<Json> json_lines(const std::string& path) {
  std::vector<Json> out;
  for (const std::string& line : lines_of(path)) {
    Json json = Json::parse(line, nullptr, /*allow_exceptions=*/false);
    if (json.is_object()) out.push_back(std::move(json));
  }
  return out;
}

std::string command_line(const fs::path& process) {
  std::ifstream in(process / "cmdline", std::ios::binary);
  std::ostringstream text;
  text << in.rdbuf();  // of a process that ends meanwhile: nothing
  return text.str();
}

// mpirun's form for a command line of its own for each rank.
std::vector<std::string> of_each_rank(const std::vector<std::vector<std::string>>& before,
                                      const std::vector<std::string>& command) {
  std::vector<std::string> words;
  for (const auto& mine : before) {
    if (!words.empty()) words.insert(words.end(), {":", "-n", "1"});
    words.insert(words.end(), mine.begin(), mine.end());
    words.insert(words.end(), command.begin(), command.end());
  }
  return words;
}

}  // namespace

void Start::on_two_hosts() {
  launcher = Launcher::kNone;
  before = {kTwoHosts};
}

const std::string& no_hosts() {
  static const std::string kWhy = [] {
    const ProcessResult result = run({kTwoHosts, "--check"});
    return result.code == 77 ? "no network namespaces here: " + result.out : std::string();
  }();
  return kWhy;
}

Job::Job(const std::string& config) {
  write_file(path("config.yaml"), config);
  write_text(*this);
}

std::string Job::checkpoint(int step) const {
  char name[32];
  std::snprintf(name, sizeof name, "/step-%08d", step);
  return checkpoints() + name;
}

std::vector<std::string> Job::command(const Start& start) const {
  std::vector<std::string> words;
  if (start.launcher == Launcher::kSupervisor) {
    words = {LOCKSTEP_SOURCE_DIR "/launch/run", "-n", std::to_string(start.ranks), path("config.yaml")};
  } else {
    words = {start.binary, "train", "-c", path("config.yaml")};
  }
  words.insert(words.end(), start.overrides.begin(), start.overrides.end());
  if (!start.before_rank.empty())
    words = under_mpirun(1, of_each_rank(start.before_rank, words));
  else if (start.launcher == Launcher::kMpirun)
    words = under_mpirun(start.ranks, words);
  words.insert(words.begin(), start.before.begin(), start.before.end());
  return words;
}

ProcessOptions Job::options(const Start& start) const {
  ProcessOptions options;
  options.environment = mpi_environment();
  options.environment["LOCKSTEP_BIN"] = LOCKSTEP_BINARY;
  options.environment["LOCKSTEP_RUN_BACKOFF_MS"] = "1";
  options.environment["LOCKSTEP_FAULT"] = start.fault;
  options.directory = folder_.path();
  return options;
}

ProcessResult Job::train(const Start& start) const {
  return testing::run(command(start), options(start));
}

std::string Job::state_hash() const {
  if (!fs::exists(run() + "/DONE")) return "";
  return Json::parse(read_file(run() + "/DONE")).at("state_hash");
}

std::vector<Json> Job::metrics() const {
  return json_lines(run() + "/metrics.jsonl");
}

std::vector<Json> Job::events(const std::string& name) const {
  std::vector<Json> all = json_lines(run() + "/events.jsonl");
  std::erase_if(all, [&](const Json& event) { return !name.empty() && event.at("event") != name; });
  return all;
}

std::map<int, Json> Job::history() const {
  std::map<int, Json> out;
  for (Json line : metrics()) {
    for (const char* of_this_life : {"time", "samples_per_s", "attempt", "seconds", "straggler_ratio"})
      line.erase(of_this_life);
    const int step = line.at("step");
    out[step] = std::move(line);
  }
  return out;
}

std::vector<std::string> Job::checkpoint_names() const {
  std::vector<std::string> names;
  for (const auto& entry : fs::directory_iterator(checkpoints())) {
    const std::string name = entry.path().filename();
    if (name.starts_with("step-")) names.push_back(name);
  }
  std::sort(names.begin(), names.end());
  return names;
}

int Job::leftovers() const {
  int count = 0;
  for (const auto& entry : fs::directory_iterator(checkpoints()))
    count += entry.path().filename().string().starts_with(".") ? 1 : 0;
  return count;
}

bool Job::verifies(const std::string& directory) const {
  return testing::run({LOCKSTEP_BINARY, "ckpt", "verify", directory}).code == 0;
}

Json Job::show(const std::string& directory) const {
  return Json::parse(testing::run({LOCKSTEP_BINARY, "ckpt", "show", directory, "--json"}).out);
}

std::map<std::string, std::vector<float>> Job::floats(int step) const {
  std::map<std::string, std::vector<float>> out;
  const Json manifest = Json::parse(read_file(checkpoint(step) + "/manifest.json"));
  for (const Json& tensor : manifest.at("tensors")) {
    if (tensor.at("dtype") != "float32") continue;
    std::size_t count = 1;
    for (const std::size_t extent : tensor.at("shape")) count *= extent;
    const std::string bytes = read_file(checkpoint(step) + "/" + tensor.at("file").get<std::string>());
    std::vector<float>& values =
        out[tensor.at("group").get<std::string>() + "/" + tensor.at("name").get<std::string>()];
    values.resize(count);
    bytes.copy(reinterpret_cast<char*>(values.data()), count * sizeof(float), tensor.at("offset"));
  }
  return out;
}

std::vector<pid_t> Job::processes() const {
  std::vector<pid_t> found;
  for (const auto& entry : fs::directory_iterator("/proc")) {
    const std::string name = entry.path().filename();
    if (name.find_first_not_of("0123456789") != std::string::npos) continue;
    if (command_line(entry.path()).find(folder_.path()) != std::string::npos)
      found.push_back(std::stoi(name));
  }
  return found;
}

bool Job::all_gone_within(std::chrono::seconds limit) const {
  return wait_until([&] { return processes().empty(); }, limit);
}

bool wait_until(const std::function<bool()>& holds, std::chrono::seconds limit) {
  const auto deadline = std::chrono::steady_clock::now() + limit;
  while (!holds()) {
    if (std::chrono::steady_clock::now() > deadline) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  return true;
}

bool is_stopped(pid_t process) {
  const std::string stat = read_file("/proc/" + std::to_string(process) + "/stat");
  return stat.substr(stat.rfind(')') + 2, 1) == "T";
}

int injections(const std::string& file) {
  return static_cast<int>(lines_of(file).size());
}

std::vector<std::string> lines_of(const std::string& file) {
  std::vector<std::string> lines;
  if (!fs::exists(file)) return lines;
  std::istringstream in(read_file(file));
  for (std::string line; std::getline(in, line);) lines.push_back(line);
  return lines;
}

std::string mlp_config() {
  return R"(version: 1
run: {name: job, dir: run, seed: 7}
model: {type: mlp, inputs: 16, hidden: [32, 16], outputs: 4, dropout: 0.2}
data: {type: synthetic, samples: 300, holdout_every: 5, input_shape: [16], classes: 4}
train: {steps: 12, global_batch: 24, micro_batch: 2, grad_clip: 1.0, eval_every: 4}
optim: {type: adamw, lr: 1e-2}
schedule: {type: cosine, warmup_steps: 3}
checkpoint: {async: false, every_steps: 3, keep_last: 3, keep_best: {metric: valid_loss, mode: min, count: 1}}
log: {every_steps: 1}
)";
}

std::string resnet_config() {
  return R"(version: 1
run: {name: job, dir: run, seed: 7}
model: {type: resnet18, classes: 4, stem: cifar}
data: {type: synthetic, samples: 90, holdout_every: 5, input_shape: [3, 8, 8], classes: 4}
train: {steps: 3, global_batch: 24, micro_batch: 2}
optim: {type: sgd, lr: 1e-2, momentum: 0.9}
checkpoint: {async: false, every_steps: 1, keep_last: 2}
log: {every_steps: 1}
)";
}

std::string resnet18_adamw_config() {
  return R"(version: 1
run: {name: job, dir: run, seed: 7}
model: {type: resnet18, classes: 4, stem: cifar}
data: {type: synthetic, samples: 40, holdout_every: 5, input_shape: [3, 8, 8], classes: 4}
train: {steps: 2, global_batch: 4, micro_batch: 2, eval_every: 0}
optim: {type: adamw, lr: 1e-3}
checkpoint: {async: false, every_steps: 1, keep_last: 1, keep_best: {count: 0}}
log: {every_steps: 1}
)";
}

std::string gpt_config() {
  return R"(version: 1
run: {name: job, dir: run, seed: 7}
model: {type: gpt, layers: 2, heads: 2, width: 32, context: 16, vocab: 256, dropout: 0.1}
data: {type: text, train: {path: train.txt}, valid: {path: valid.txt}}
train: {steps: 4, global_batch: 24, micro_batch: 2, grad_clip: 1.0}
optim: {type: adamw, lr: 1e-2}
checkpoint: {async: false, every_steps: 1, keep_last: 2}
log: {every_steps: 1}
)";
}

void write_text(const Job& job) {
  std::string text;
  for (int i = 0; i < 120; ++i)
    text += std::to_string(i * i % 97) + " ranks are in step " + std::to_string(i) + "\n";
  write_file(job.path("train.txt"), text);
  write_file(job.path("valid.txt"), text.substr(text.size() / 3, 700));
}

std::string reference_hash(const std::string& config, const std::vector<std::string>& overrides) {
  const Job job(config);
  const ProcessResult result = job.train({.launcher = Launcher::kNone, .overrides = overrides});
  EXPECT_EQ(result.code, 0) << result.err;
  EXPECT_EQ(job.state_hash().size(), 32u);
  return job.state_hash();
}

}  // namespace lockstep::testing
