// SPDX-License-Identifier: Apache-2.0
#include "support/process.h"

#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <stdexcept>
#include <thread>

#include "support/temp_dir.h"

namespace lockstep::testing {
namespace {

std::string temporary_file() {
  std::string pattern = "/tmp/lockstep-process-XXXXXX";
  const int fd = ::mkstemp(pattern.data());
  if (fd < 0) throw std::runtime_error("mkstemp failed");
  ::close(fd);
  return pattern;
}

void redirect(const std::string& path, int target) {
  const int fd = ::open(path.c_str(), O_WRONLY | O_TRUNC);
  ::dup2(fd, target);
  ::close(fd);
}

}  // namespace

Process::Process(const std::vector<std::string>& command, const ProcessOptions& options)
    : options_(options), out_path_(temporary_file()), err_path_(temporary_file()) {
  std::vector<char*> arguments;
  for (const std::string& word : command) arguments.push_back(const_cast<char*>(word.c_str()));
  arguments.push_back(nullptr);
  pid_ = ::fork();
  if (pid_ < 0) throw std::runtime_error("fork failed");
  if (pid_ == 0) {
    ::setpgid(0, 0);
    for (const auto& [name, value] : options_.environment) ::setenv(name.c_str(), value.c_str(), 1);
    if (!options_.directory.empty() && ::chdir(options_.directory.c_str()) != 0) ::_exit(126);
    ::close(0);
    ::open("/dev/null", O_RDONLY);
    redirect(out_path_, 1);
    redirect(err_path_, 2);
    ::execvp(arguments[0], arguments.data());
    ::_exit(127);
  }
  ::setpgid(pid_, pid_);
}

Process::~Process() {
  if (!reaped_) {
    ::kill(-pid_, SIGKILL);
    ::waitpid(pid_, &status_, 0);
  }
  ::unlink(out_path_.c_str());
  ::unlink(err_path_.c_str());
}

void Process::signal(int number) const {
  ::kill(pid_, number);
}
std::string Process::out() const {
  return read_file(out_path_);
}
std::string Process::err() const {
  return read_file(err_path_);
}

bool Process::running() {
  if (!reaped_ && ::waitpid(pid_, &status_, WNOHANG) == pid_) reaped_ = true;
  return !reaped_;
}

ProcessResult Process::wait() {
  ProcessResult result;
  const auto deadline = std::chrono::steady_clock::now() + options_.limit;
  while (running()) {
    if (std::chrono::steady_clock::now() > deadline && !result.timed_out) {
      result.timed_out = true;
      ::kill(-pid_, SIGKILL);
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  result.code = WIFSIGNALED(status_) ? 128 + WTERMSIG(status_) : WEXITSTATUS(status_);
  result.out = out();
  result.err = err();
  return result;
}

ProcessResult run(const std::vector<std::string>& command, const ProcessOptions& options) {
  return Process(command, options).wait();
}

std::vector<std::string> under_mpirun(int ranks, std::vector<std::string> command) {
  std::vector<std::string> words = {
      "mpirun", "-q",    "-n",  std::to_string(ranks), "--oversubscribe", "--bind-to", "none", "--mca", "pml",
      "ob1",    "--mca", "btl", "self,vader"};
  words.insert(words.end(), command.begin(), command.end());
  return words;
}

std::map<std::string, std::string> mpi_environment() {
  return {{"OMPI_ALLOW_RUN_AS_ROOT", "1"},
          {"OMPI_ALLOW_RUN_AS_ROOT_CONFIRM", "1"},
          {"OMPI_MCA_btl_tcp_if_include", "lo"},
          {"OMPI_MCA_oob_tcp_if_include", "lo"}};
}

}  // namespace lockstep::testing
