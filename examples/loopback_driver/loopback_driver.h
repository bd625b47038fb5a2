/*
 * What the program that hosts the driver shares with it. On Windows the first of these would come from the driver's
 * registry key and the other two would be an event and a value that a service looks at.
 */
#ifndef LOOPBACK_DRIVER_H
#define LOOPBACK_DRIVER_H

#include <ntddk.h>

#include <netioapi.h>

extern NET_IFINDEX LoopbackInterface; /* in: the interface both ends use */
extern KEVENT LoopbackFinished;       /* out: set when the driver has done its work; the host initialises it */
extern NTSTATUS LoopbackStatus;       /* out: valid once LoopbackFinished is set */
extern ULONG LoopbackRoundsPassed;    /* out: of LOOPBACK_ROUNDS */

#define LOOPBACK_ROUNDS 6

DRIVER_INITIALIZE DriverEntry;

#endif
