// SPDX-License-Identifier: Apache-2.0
#include "config/environment.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <charconv>
#include <cstdlib>
#include <sstream>

#include "config/secrets.h"
#include "lockstep/base/error.h"

namespace lockstep {
namespace {

std::string value_of(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? "" : value;
}

bool is_set(const char* name) {
  return std::getenv(name) != nullptr;
}

// Empty where it is not set.
std::optional<double> seconds_of(const char* name) {
  const std::string text = value_of(name);
  if (text.empty()) return std::nullopt;
  double seconds = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), seconds);
  if (error != std::errc() || end != text.data() + text.size() || !(seconds >= 0 && seconds < 1e12))
    throw Fault(ExitCode::kUsage, std::string(name) + ": '" + text + "' is not a number of seconds",
                "Unset it, or write a number such as 30");
  return seconds;
}

// An allow-list: an environment is full of things that are nobody else's business.
constexpr std::array kReportable = {
    "ATEN_CPU_CAPABILITY",
    "CUDA_VISIBLE_DEVICES",
    "LOCKSTEP_END_TIME",
    "LOCKSTEP_FAULT",
    "LOCKSTEP_GRACE_S",
    "LOCKSTEP_TERMINAL",
    "MKL_NUM_THREADS",
    "NCCL_ALGO",
    "NCCL_DEBUG",
    "NCCL_HOSTID",
    "NCCL_IB_DISABLE",
    "NCCL_NVLS_ENABLE",
    "NCCL_PROTO",
    "NCCL_SOCKET_IFNAME",
    "OMPI_COMM_WORLD_LOCAL_SIZE",
    "OMPI_COMM_WORLD_SIZE",
    "OMPI_MCA_btl",
    "OMPI_MCA_pml",
    "OMP_NUM_THREADS",
    "SLURM_JOB_ID",
    "SLURM_JOB_NUM_NODES",
    "SLURM_NTASKS",
    "SLURM_RESTART_COUNT",
    "TZ",
};

// What the libraries read to choose among kernels whose last bits differ, beside ATEN_CPU_CAPABILITY and the
// number of threads, of which it is known what they came to.
constexpr std::array kKernelChoice = {
    "BLIS_ARCH_TYPE",
    "CUBLAS_WORKSPACE_CONFIG",
    "DNNL_CPU_ISA_HINTS",
    "DNNL_DEFAULT_FPMATH_MODE",
    "DNNL_MAX_CPU_ISA",
    "MKL_CBWR",
    "MKL_DEBUG_CPU_TYPE",
    "MKL_DISABLE_FAST_MM",
    "MKL_DOMAIN_NUM_THREADS",
    "MKL_DYNAMIC",
    "MKL_ENABLE_INSTRUCTIONS",
    "MKL_NUM_STRIPES",
    "MKL_VML_DEBUG_CPU_TYPE",
    "NVIDIA_TF32_OVERRIDE",
    "ONEDNN_CPU_ISA_HINTS",
    "ONEDNN_DEFAULT_FPMATH_MODE",
    "ONEDNN_MAX_CPU_ISA",
    "OPENBLAS_CORETYPE",
    "TORCH_ALLOW_TF32_CUBLAS_OVERRIDE",
    "TORCH_BLAS_PREFER_CUBLASLT",
    "TORCH_CUDNN_USE_HEURISTIC_MODE_B",
    "TORCH_CUDNN_V8_API_DISABLED",
    "TORCH_LINALG_PREFER_CUSOLVER",
    "TORCH_LINEAR_FLATTEN_3D",
    "TORCH_MKLDNN_MATMUL_MIN_DIM",
    "TORCH_MKLDNN_MATMUL_MIN_SIZE",
};

// Of GLIBC_TUNABLES, those by which the C library chooses its exp and sin.
std::string tunables_of_kernels() {
  std::istringstream all(value_of("GLIBC_TUNABLES"));
  std::string chosen;
  for (std::string one; std::getline(all, one, ':');)
    if (one.starts_with("glibc.cpu.")) chosen += (chosen.empty() ? "" : ":") + one;
  return chosen;
}

}  // namespace

LaunchOptions launch_options() {
  // sbatch sets SLURM_PROCID too, in the batch shell: only a step has ranks.
  const bool under_srun = is_set("SLURM_PROCID") && is_set("SLURM_STEP_ID");
  return {.launched = is_set("OMPI_COMM_WORLD_SIZE") || is_set("PMIX_RANK") || under_srun};
}

Rank rank_by_launcher() {
  if (!launch_options().launched) return Rank(0);
  for (const char* name : {"OMPI_COMM_WORLD_RANK", "PMIX_RANK", "SLURM_PROCID"})
    if (is_set(name)) return Rank(std::atoi(value_of(name).c_str()));
  return Rank(0);
}

bool is_first_process() {
  return rank_by_launcher() == Rank(0);
}

std::string supervisor_address() {
  return value_of("LOCKSTEP_SUPERVISOR");
}

std::string gate_path() {
  return value_of("LOCKSTEP_GATE");
}

StopTimes stop_times() {
  return {.grace_s = seconds_of("LOCKSTEP_GRACE_S"), .end_time = seconds_of("LOCKSTEP_END_TIME")};
}

std::string fault_plan() {
  return value_of("LOCKSTEP_FAULT");
}

std::string batch_job_id() {
  return value_of("SLURM_JOB_ID");
}

std::string array_task() {
  return value_of("SLURM_ARRAY_TASK_ID");
}

SlurmPlace slurm_place() {
  const auto number = [](const char* name, int otherwise) {
    const std::string value = value_of(name);
    int given = otherwise;
    std::from_chars(value.data(), value.data() + value.size(), given);
    return given;
  };
  SlurmPlace place;
  place.job = batch_job_id();
  place.array_job = value_of("SLURM_ARRAY_JOB_ID");
  place.array_task = array_task();
  place.in_step = is_set("SLURM_STEP_ID");
  place.nodes = number("SLURM_JOB_NUM_NODES", 1);
  place.tasks = number("SLURM_NTASKS", 0);
  place.restarts = number("SLURM_RESTART_COUNT", 0);
  return place;
}

std::optional<bool> launcher_terminal() {
  const std::string value = value_of("LOCKSTEP_TERMINAL");
  if (value == "1") return true;
  if (value == "0") return false;
  return std::nullopt;
}

bool terminal_can_redraw() {
  const std::string terminal = value_of("TERM");
  return !terminal.empty() && terminal != "dumb";
}

bool terminal_speaks_utf8() {
  for (const char* name : {"LC_ALL", "LC_CTYPE", "LANG"}) {
    std::string value = value_of(name);
    if (value.empty()) continue;
    std::transform(value.begin(), value.end(), value.begin(),
                   [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
    return value.find("utf-8") != std::string::npos || value.find("utf8") != std::string::npos;
  }
  return false;
}

std::string home_directory() {
  return value_of("HOME");
}

std::string rank_binary() {
  return value_of("LOCKSTEP_BIN");
}

std::chrono::milliseconds first_restart_pause() {
  const std::string text = value_of("LOCKSTEP_RUN_BACKOFF_MS");
  if (text.empty()) return std::chrono::milliseconds(1000);
  const bool digits = text.size() <= 7 && text.find_first_not_of("0123456789") == std::string::npos;
  if (!digits || std::atoi(text.c_str()) < 1)
    throw Fault(ExitCode::kUsage, "LOCKSTEP_RUN_BACKOFF_MS wants milliseconds, got '" + text + "'");
  return std::chrono::milliseconds(std::atoi(text.c_str()));
}

std::string temporary_folder() {
  const std::string folder = value_of("TMPDIR");
  return folder.empty() ? "/tmp" : folder;
}

std::string search_path() {
  return value_of("PATH");
}

std::string kernel_choice() {
  std::string text;
  const auto add = [&](const std::string& name, const std::string& value) {
    if (!value.empty()) text += (text.empty() ? "" : " ") + name + "=" + value;
  };
  for (const char* name : kKernelChoice) add(name, value_of(name));
  add("GLIBC_TUNABLES", tunables_of_kernels());
  return text;
}

std::vector<std::pair<std::string, std::string>> reportable_environment() {
  std::vector<std::pair<std::string, std::string>> shown;
  const auto show = [&](const char* name) {
    if (is_set(name)) shown.emplace_back(name, is_secret(name) ? kMasked : value_of(name));
  };
  std::ranges::for_each(kReportable, show);
  std::ranges::for_each(kKernelChoice, show);
  return shown;
}

}  // namespace lockstep
