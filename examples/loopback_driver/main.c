/* The host of the driver: a program of user space whose main() loads it, waits for it and unloads it. */
#include <stdio.h>

#include <softndk/softndk.h>

#include "loopback_driver.h"

static uint32_t FindLoopback(void) {
  static softndk_interface interfaces[64];
  size_t count = softndk_interfaces(interfaces, 64);
  size_t i;
  for (i = 0; i < count && i < 64; ++i) {
    if (interfaces[i].is_loopback) {
      return interfaces[i].index;
    }
  }
  return 0;
}

int main(void) {
  softndk_driver* driver = NULL;
  int32_t status = softndk_start();
  if (status != 0) {
    fprintf(stderr, "the runtime does not start: %s\n", softndk_status_name(status));
    return 1;
  }
  LoopbackInterface = FindLoopback();
  KeInitializeEvent(&LoopbackFinished, NotificationEvent, FALSE);
  status = softndk_load_driver(DriverEntry, "loopback", &driver);
  if (status != 0) {
    fprintf(stderr, "DriverEntry returned %s\n", softndk_status_name(status));
    softndk_stop();
    return 1;
  }
  softndk_unload_driver(driver); /* waits until the driver has done its work */
  softndk_stop();
  printf("%u of %d rounds passed: %s\n", LoopbackRoundsPassed, LOOPBACK_ROUNDS, softndk_status_name(LoopbackStatus));
  return LoopbackStatus == STATUS_SUCCESS && LoopbackRoundsPassed == LOOPBACK_ROUNDS ? 0 : 1;
}
