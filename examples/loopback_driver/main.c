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

static void LoadAndUnload(void* Context) {
  int32_t* status = (int32_t*)Context;
  softndk_driver* driver = NULL;
  LoopbackInterface = FindLoopback();
  KeInitializeEvent(&LoopbackFinished, NotificationEvent, FALSE);
  *status = softndk_load_driver(DriverEntry, "loopback", &driver);
  if (*status == 0) {
    softndk_unload_driver(driver); /* waits until the driver has done its work */
  }
}

/* With SOFTNDK_WORLD='sim(SEED)' in the environment all of it happens in a simulation. */
int main(void) {
  int32_t entered = -1;
  const int32_t ran = softndk_run(LoadAndUnload, &entered);
  if (ran != 0) {
    fprintf(stderr, "the runtime does not start or stop: %s\n", softndk_status_name(ran));
    return 1;
  }
  if (entered != 0) {
    fprintf(stderr, "DriverEntry returned %s\n", softndk_status_name(entered));
    return 1;
  }
  printf("%u of %d rounds passed: %s\n", LoopbackRoundsPassed, LOOPBACK_ROUNDS, softndk_status_name(LoopbackStatus));
  return LoopbackStatus == STATUS_SUCCESS && LoopbackRoundsPassed == LOOPBACK_ROUNDS ? 0 : 1;
}
