// IRPs as far as a driver's dispatch routines and WSK's inline calls need them.
#include "ntrt/bug_check.h"
#include "ntrt/irql.h"
#include "wdk/ntddk.h"

using namespace softndk::ntrt;

extern "C" VOID(IoCompleteRequest)(PIRP irp, CCHAR boost) noexcept {
  check_irql(EntryPoint::IofCompleteRequest);
  if (irp->CurrentLocation > irp->StackCount + 1)
    bug_check(BugCode::driver_violation, "IRP %p completed twice", static_cast<void*>(irp));
  irp->CurrentLocation = static_cast<CHAR>(irp->StackCount + 2);
  // Whoever waits for the event may free all three: copy first, signal last.
  PKEVENT event = irp->UserEvent;
  if (irp->UserIosb != nullptr) *irp->UserIosb = irp->IoStatus;
  if (event != nullptr) KeSetEvent(event, boost, FALSE);
}
