// The end of a driver whose list links disagree (wdk/detail/list.h finds it out inline).
#include "ntrt/bug_check.h"
#include "wdk/wdm.h"

using namespace softndk::ntrt;

extern "C" void SoftNdkListCorrupted(const void* entry, const char* operation) noexcept {
  char place[128];
  describe_code_address(__builtin_return_address(0), place, sizeof place);
  bug_check(BugCode::driver_violation,
            "%s at %s: the links around entry %p do not point to it; removed twice, freed, or overwritten", operation,
            place, entry);
}
