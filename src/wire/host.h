/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What an agent, or a command, sees of its own host beside the server: what the kernel allows it,
 * room on the disks, addresses, certificates. Values only, carried in reports; judged by
 * core/check.h.
 */
#ifndef TANDEM_WIRE_HOST_H
#define TANDEM_WIRE_HOST_H

#include <stdbool.h>
#include <stdint.h>

#include "util/codec.h"

/* Bits of host_facts.judged and host_facts.wrong. */
enum host_fault {
    HOST_REALTIME = 1u << 0,    /* no real-time priority, which policy.realtime asks for */
    HOST_MEMLOCK = 1u << 1,     /* memory is not locked, which policy.memlock asks for */
    HOST_OOM = 1u << 2,         /* not protected from the out-of-memory killer */
    HOST_ADDRESS = 1u << 3,     /* the node's address is on no device of this host */
    HOST_DEVICE = 1u << 4,      /* devices of virtual addresses are missing or down */
    HOST_SECONDARIES = 1u << 5, /* promote_secondaries is off where it matters (io/net/net.h) */
    HOST_CERTIFICATE = 1u << 6, /* never wrong: says that the days below are known */
};

struct host_facts {
    bool known;
    uint32_t judged;       /* what was looked at */
    uint32_t wrong;        /* of that */
    uint32_t devices;      /* bit per virtual address whose device is missing or down */
    uint32_t data_size_mb; /* file system of the data directory; 0 = not known */
    uint32_t data_free_mb;
    uint32_t state_size_mb; /* the same of state_dir */
    uint32_t state_free_mb;
    int32_t certificate_days; /* rounded down, negative after the end */
    int32_t ca_days;
};

void host_facts_codec(struct codec *c, struct host_facts *f);

#endif
