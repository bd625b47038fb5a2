/* half_connected_main [report | abort]: the driver as far as it goes; then a report to stdout, a bug check, or its end. */
#include <stdio.h>
#include <string.h>

#include <softndk/softndk.h>

#include <ntddk.h>
#include <wsk.h>
#include <wskndk.h>

#include "half_connected.h"

int main(int argc, char** argv) {
  const char* then = argc > 1 ? argv[1] : "";
  NTSTATUS status = softndk_start();
  if (NT_SUCCESS(status)) status = HalfConnectedOpen(&Half, softndk_find_interface("lo"));
  if (NT_SUCCESS(status)) status = HalfConnectedCreate(&Half);
  if (NT_SUCCESS(status)) status = HalfConnectedConnect(&Half);
  if (!NT_SUCCESS(status)) {
    fprintf(stderr, "half_connected: %s\n", softndk_status_name(status));
    return 1;
  }
  if (strcmp(then, "report") == 0) {
    fflush(stdout);
    printf("%zu objects\n", softndk_report_objects(1));
  } else if (strcmp(then, "abort") == 0) {
    Half.Pd->Dispatch->NdkClosePd(&Half.Pd->Header, NULL, NULL); /* without a completion: a bug check */
  }
  HalfConnectedClose(&Half, TRUE);
  HalfConnectedLeave(&Half);
  return softndk_stop() == STATUS_SUCCESS ? 0 : 1;
}
