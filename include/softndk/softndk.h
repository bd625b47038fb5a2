#ifndef SOFTNDK_SOFTNDK_H
#define SOFTNDK_SOFTNDK_H
/*
 * What the WDK has no word for: starting the kernel that lives in this process, its settings, its interfaces, hosting a
 * driver, and the OIDs of an adapter. C11 and C++; nothing here needs the WDK's headers.
 *
 * Every function may be called from any ordinary thread unless it says otherwise. Statuses are NTSTATUS values (0 is
 * success, negative as a signed 32-bit value is an error).
 */
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#ifndef SOFTNDK_EXPORT
#define SOFTNDK_EXPORT __attribute__((visibility("default")))
#endif

/** "0.1.0". */
SOFTNDK_EXPORT const char* softndk_version(void);

/*
 * ---- the runtime
 *
 * A program whose main() only calls a driver's DriverEntry needs none of these: the first kernel call that needs the
 * runtime starts it with the environment's settings, and it stops when the process exits.
 */

/**
 * Starts the runtime: the provider is loaded and every IP interface that is up becomes one NDK adapter under its
 * interface index. Start and stop may be repeated. Returns 0; STATUS_INVALID_DEVICE_STATE if it runs already; an error
 * status with a line in the log otherwise.
 */
SOFTNDK_EXPORT int32_t softndk_start(void);
/**
 * Stops it. Everything the consumers opened must be closed: what is not is listed on stderr, and the function waits for
 * it. Returns 0, or STATUS_INVALID_DEVICE_STATE if it does not run.
 */
SOFTNDK_EXPORT int32_t softndk_stop(void);
SOFTNDK_EXPORT int softndk_is_running(void);

/*
 * ---- settings: one table of names, each with a default, a range and a sentence. Sources, the later wins: default,
 * the file named by SOFTNDK_CONFIG (lines "name = value"), the environment (SOFTNDK_ and the name in capitals),
 * softndk_set().
 */

/** Takes effect at the next softndk_start(). STATUS_NOT_FOUND, STATUS_INVALID_PARAMETER, or 0. */
SOFTNDK_EXPORT int32_t softndk_set(const char* name, const char* value);
/** The value in effect as text, or NULL if there is no such setting. Valid until the next softndk_set() of that name. */
SOFTNDK_EXPORT const char* softndk_get(const char* name);
typedef struct softndk_setting {
  const char* name;
  const char* default_value;
  const char* range;   /* "on | off", "1..65535", "inline | nested | early | later | mixed(seed)" */
  const char* meaning;
} softndk_setting;
/** The table, `*count` rows; constant. */
SOFTNDK_EXPORT const softndk_setting* softndk_settings(size_t* count);

/* ---- interfaces */

typedef struct softndk_interface {
  uint32_t index;        /* the NET_IFINDEX that WskOpenNdkAdapter takes */
  char name[64];         /* "eth0" */
  char description[128]; /* what performance counters call it */
  int is_loopback;
  char addresses[8][64]; /* text, without port or prefix; empty strings at the end */
} softndk_interface;
/**
 * The adapters, or before softndk_start() the interfaces that would become adapters. Fills up to `capacity`; returns
 * how many there are.
 */
SOFTNDK_EXPORT size_t softndk_interfaces(softndk_interface* interfaces, size_t capacity);
/** By index ("3"), name ("eth0") or one of its addresses ("10.0.0.1"). The index, or 0 if there is none. */
SOFTNDK_EXPORT uint32_t softndk_find_interface(const char* which);

/* ---- drivers */

typedef struct softndk_driver softndk_driver;
struct _DRIVER_OBJECT;
struct _UNICODE_STRING;
typedef int32_t (*softndk_driver_entry)(struct _DRIVER_OBJECT* driver, struct _UNICODE_STRING* registry_path);
/**
 * Calls the DriverEntry of a driver that is linked into the program, as the kernel does. On an error status the driver
 * has undone itself and `*driver` is NULL.
 */
SOFTNDK_EXPORT int32_t softndk_load_driver(softndk_driver_entry entry, const char* name, softndk_driver** driver);
/** Calls its DriverUnload, if it set one. */
SOFTNDK_EXPORT void softndk_unload_driver(softndk_driver* driver);

/*
 * ---- the registry that drivers read their parameters from. The setting `registry` names a file that each start fills
 * it with; these do so at any time while the runtime runs (they start it otherwise). Values that drivers write are in
 * it until the runtime stops.
 */

/**
 * Merges a text file in the syntax of Registry Editor. STATUS_DATA_ERROR when a line was not understood: it is in the
 * log, and the other lines count. STATUS_OBJECT_NAME_NOT_FOUND and others when the file cannot be read.
 */
SOFTNDK_EXPORT int32_t softndk_registry_load(const char* path);
/** Writes it all to a text file that softndk_registry_load() reads. */
SOFTNDK_EXPORT int32_t softndk_registry_save(const char* path);

/* ---- OIDs of an adapter (ntddndis.h, ndisndk.h) */

/** Returns an NDIS_STATUS; `*bytes` is what was written, or needed when the buffer was too short. */
SOFTNDK_EXPORT int32_t softndk_oid_query(uint32_t interface_index, uint32_t oid, void* buffer, uint32_t length,
                                         uint32_t* bytes);
SOFTNDK_EXPORT int32_t softndk_oid_set(uint32_t interface_index, uint32_t oid, const void* buffer, uint32_t length,
                                       uint32_t* bytes);

/** "STATUS_CONNECTION_REFUSED", or "0x........" for a value without a name. Valid until the thread's next call. */
SOFTNDK_EXPORT const char* softndk_status_name(int32_t status);

#ifdef __cplusplus
}
#endif
#endif
