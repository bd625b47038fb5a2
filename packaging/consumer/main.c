/* The user-mode half: calls the driver's DriverEntry, as the contract of the package says it may. */
#include <softndk/softndk.h>
#include <stdio.h>
#include <string.h>

#include <ntddk.h>

#ifdef __cplusplus
extern "C" {
#endif
DRIVER_INITIALIZE DriverEntry;
int OpenAndClose(ULONG InterfaceIndex);
#ifdef __cplusplus
}
#endif

int main(void) {
    DRIVER_OBJECT driver;
    UNICODE_STRING path;
    uint32_t loopback = softndk_find_interface("lo");
    int result;
    memset(&driver, 0, sizeof driver);
    memset(&path, 0, sizeof path);
    if (!NT_SUCCESS(DriverEntry(&driver, &path))) return 10;
    result = OpenAndClose(loopback); /* nobody called softndk_start(): the first kernel call did */
    printf("consumer: %s (%d)\n", result == 0 ? "ok" : "failed", result);
    return result;
}
