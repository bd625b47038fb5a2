/*
 * The host of an example driver, for whoever wants one program instead of ndkrun and a shared object: loads the driver
 * that is linked in, unloads it, and says how it went. The settings come from the environment; with
 * SOFTNDK_WORLD='sim(SEED)' all of it happens in a simulation. The drivers' own sources know nothing of this.
 */
#include <stdio.h>

#include <softndk/softndk.h>

int32_t DriverEntry(struct _DRIVER_OBJECT* DriverObject, struct _UNICODE_STRING* RegistryPath);

static void LoadAndUnload(void* Context) {
  int32_t* entered = (int32_t*)Context;
  softndk_driver* driver = NULL;
  *entered = softndk_load_driver(DriverEntry, EXAMPLE_DRIVER, &driver);
  if (*entered == 0) {
    softndk_unload_driver(driver);
  }
}

int main(void) {
  int32_t entered = -1;
  const int32_t ran = softndk_run(LoadAndUnload, &entered);
  if (ran != 0) {
    fprintf(stderr, "the runtime does not start or stop: %s\n", softndk_status_name(ran));
    return 1;
  }
  printf("%s: %s\n", EXAMPLE_DRIVER, entered == 0 ? "passed" : softndk_status_name(entered));
  return entered == 0 ? 0 : 1;
}
