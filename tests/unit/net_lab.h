/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Two network namespaces for the tests of the network adapter: this process lives in "host" (device
 * va, 10.9.0.1/24 and fd09::1/64), "peer" is the other end of the cable (device vb, 10.9.0.2,
 * 10.9.0.3, fd09::2, fd09::3). They have no names: they vanish with the process, however it ends.
 * Needs root.
 */
#ifndef TANDEM_TESTS_UNIT_NET_LAB_H
#define TANDEM_TESTS_UNIT_NET_LAB_H

#include <stdbool.h>
#include <stdint.h>

#include <uv.h>

#include "io/net/net.h"

#define LAB_EVENTS_MAX 64
#define LAB_RESULTS_MAX 64

struct lab {
    int host_ns;
    int peer_ns;
    uv_loop_t loop;
    struct net_config config;
    struct net *net;
    struct net_event events[LAB_EVENTS_MAX];
    unsigned n_events;
    struct net_result results[LAB_RESULTS_MAX];
    unsigned n_results;
    bool stopped;
    char log_id[64]; /* of the last log record; LAB_LOG=1 in the environment prints all */
};

enum lab_side { LAB_HOST, LAB_PEER };

/* cmocka fixtures; the state is a struct lab with VIP 0 = 10.9.0.101/24 (label va:vip), VIP 1 =
 * fd09::65/64, port 3306, member 10.9.0.2, no adapter started. */
int lab_setup(void **state);
int lab_teardown(void **state);

/* Fails the test if the command does. Returns its output (static storage of the caller's buf). */
void lab_run(struct lab *lab, enum lab_side side, const char *command);
bool lab_try(struct lab *lab, enum lab_side side, const char *command);
const char *lab_output(struct lab *lab, enum lab_side side, const char *command, char *buf,
                       unsigned size);
/* True if a TCP connection from the peer to this IPv4 address is answered (refused will do). */
bool lab_answers(struct lab *lab, const char *address, uint16_t port, unsigned limit_ms);
int lab_socket(struct lab *lab, enum lab_side side, int domain, int type, int protocol);

/* Starts the adapter and waits for READY. */
void lab_start(struct lab *lab);
void lab_stop(struct lab *lab);
/* Runs the loop for this long, or until the condition holds (false: it never did). */
void lab_spin_ms(struct lab *lab, unsigned ms);
bool lab_wait(struct lab *lab, bool (*condition)(struct lab *lab, void *data), void *data,
              unsigned limit_ms);
/* Waits for an event of this type of this VIP that has not been consumed yet. */
const struct net_event *lab_event(struct lab *lab, enum net_event_type type, unsigned vip,
                                  unsigned limit_ms);
bool lab_has_event(const struct lab *lab, enum net_event_type type, unsigned vip);
void lab_forget(struct lab *lab);

struct net_request lab_request(struct lab *lab, unsigned vip, unsigned timeout_ms);
/* Waits for the next result. */
struct net_result lab_result(struct lab *lab, unsigned limit_ms);
/* Adds a VIP and asserts success. */
void lab_add(struct lab *lab, unsigned vip, unsigned lifetime_s);
void lab_del(struct lab *lab, unsigned vip);
int64_t lab_now_us(void);

#endif
