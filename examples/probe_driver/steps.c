/* Waiting for one request at a time, and polling for results. */
#include "probe_driver.h"

NTSTATUS wait(PKEVENT event, LONG milliseconds) {
  LARGE_INTEGER timeout;
  timeout.QuadPart = -(LONGLONG)milliseconds * 10000;
  return KeWaitForSingleObject(event, Executive, KernelMode, FALSE, &timeout);
}

/* <= DISPATCH_LEVEL */
VOID complete(PVOID context, NTSTATUS status) {
  UNREFERENCED_PARAMETER(context);
  Probe.Status = status;
  KeSetEvent(&Probe.Done, IO_NO_INCREMENT, FALSE);
}

VOID created(PVOID context, NTSTATUS status, NDK_OBJECT_HEADER* object) {
  Probe.Object = object;
  complete(context, status);
}

static VOID closed(PVOID context) {
  complete(context, STATUS_SUCCESS);
}

/*
 * Everything static: a completion that comes after the wait has timed out finds its memory in place, which a context on
 * the stack would not. The wait goes on then, or the driver would be gone when it comes.
 */
NTSTATUS finish(const char* what, NTSTATUS returned) {
  NTSTATUS status = returned;
  if (returned == STATUS_PENDING) {
    while (wait(&Probe.Done, SECONDS_10) == STATUS_TIMEOUT) {
      logf("%s is still pending", what);
    }
    status = Probe.Status;
  }
  KeClearEvent(&Probe.Done);
  logf("%-28s 0x%08lx%s", what, status, returned == STATUS_PENDING ? " (pended)" : "");
  if (NT_SUCCESS(status)) {
    Probe.Steps++;
  }
  return status;
}

PVOID made(NTSTATUS returned, PVOID inlineObject) {
  return returned == STATUS_PENDING ? (PVOID)Probe.Object : inlineObject;
}

VOID closeObject(const char* what, NDK_OBJECT_HEADER* object, NDK_FN_CLOSE_OBJECT close) {
  finish(what, close(object, closed, NULL));
}

/* One result of a queue that is polled; half a minute at most. */
NTSTATUS reap(PEND end, const char* what, PVOID request, NDK_RESULT* result) {
  ULONG tries;
  LARGE_INTEGER millisecond;
  millisecond.QuadPart = -10000;
  for (tries = 0; tries < 30000; ++tries) {
    if (end->Cq->Dispatch->NdkGetCqResults(end->Cq, result, 1) == 1) {
      logf("%-28s 0x%08lx, %lu bytes", what, result->Status, result->BytesTransferred);
      if (result->RequestContext != request || result->QPContext != end) {
        return STATUS_DATA_ERROR;
      }
      if (NT_SUCCESS(result->Status)) {
        Probe.Steps++;
      }
      return result->Status;
    }
    KeDelayExecutionThread(KernelMode, FALSE, &millisecond);
  }
  return STATUS_IO_TIMEOUT;
}
