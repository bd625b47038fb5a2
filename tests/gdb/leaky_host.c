/* leaky_host DRIVER.so clean|leak|hang: loads the driver, unloads it, and exits with what it left behind (0: nothing). */
#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include <softndk/softndk.h>

#include <ntddk.h>

#include "leaky_driver.h"

static VOID (*Rescue)(VOID);

/* Ends the hang when standard input ends: whoever has seen the explanation closes it. */
static void* RescueLater(void* unused) {
  (void)unused;
  while (getchar() != EOF) continue;
  Rescue();
  return NULL;
}

int main(int argc, char** argv) {
  void* library = argc == 3 ? dlopen(argv[1], RTLD_NOW) : NULL;
  softndk_driver* driver = NULL;
  pthread_t rescuer;
  size_t left;
  LEAKY_MISTAKE mistake;
  if (library == NULL) {
    fprintf(stderr, "leaky_host: %s\n", argc == 3 ? dlerror() : "usage: leaky_host DRIVER.so clean|leak|hang");
    return 2;
  }
  mistake = strcmp(argv[2], "leak") == 0 ? LEAKY_LEAKS : strcmp(argv[2], "hang") == 0 ? LEAKY_HANGS : LEAKY_NOTHING;
  Rescue = (VOID(*)(VOID))dlsym(library, "LeakyRescue");
  *(LEAKY_MISTAKE*)dlsym(library, "LeakyMistake") = mistake;
  if (softndk_start() != 0) return 2;
  *(ULONG*)dlsym(library, "LeakyInterface") = softndk_find_interface("lo");
  if (softndk_load_driver((softndk_driver_entry)dlsym(library, "DriverEntry"), "leaky", &driver) != 0) return 2;
  if (mistake == LEAKY_HANGS) pthread_create(&rescuer, NULL, RescueLater, NULL);
  left = softndk_unload_driver(driver);
  if (mistake == LEAKY_HANGS) pthread_join(rescuer, NULL);
  printf("left behind: %zu\n", left);
  if (left != 0) return 1; /* softndk_stop() would wait for what is open */
  return softndk_stop() == 0 ? 0 : 2;
}
