#include "tools/ndkrun/crash_note.h"

#include <signal.h>
#include <unistd.h>

#include <cstring>

namespace softndk::tools {
namespace {

std::string g_line;  // constant once the handlers are there

void on_crash(int) {
  // One call that is safe here; the action has been reset, so the instruction, or abort(), goes on to kill.
  (void)!write(STDERR_FILENO, g_line.data(), g_line.size());
}

}  // namespace

void note_crashes(std::string command) {
  g_line = "ndkrun: the driver crashed; to stand at its frame: " + std::move(command) + "\n";
  for (const int number : {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT}) {
    struct sigaction before = {};
    sigaction(number, nullptr, &before);
    if (before.sa_handler != SIG_DFL) continue;  // a sanitizer's, which says more
    struct sigaction action = {};
    action.sa_handler = on_crash;
    action.sa_flags = static_cast<int>(SA_RESETHAND | SA_ONSTACK);
    sigaction(number, &action, nullptr);
  }
}

}  // namespace softndk::tools
