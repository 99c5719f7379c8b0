/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The prober: rounds of "is it alive?" on one connection and "what is it like?" on another, beside
 * each other. See io/mysql/mysql.h for what a round reports and when.
 */
#ifndef TANDEM_IO_MYSQL_MYSQL_PROBE_H
#define TANDEM_IO_MYSQL_MYSQL_PROBE_H

#include "io/mysql/mysql.h"
#include "io/mysql/mysql_conn.h"
#include "io/mysql/mysql_facts.h"

struct mysql_adapter;

struct mysql_prober {
    struct mysql_adapter *adapter;
    struct mysql_conn conn;
    struct mysql_conn facts_conn;
    struct mysql_facts reader;
    uv_timer_t timer; /* next round, or the end of the grace for late facts */
    bool stopping;

    bool running;    /* a round has begun and not reported */
    bool alive;      /* of this round: the liveness part has answered */
    bool fresh;      /* of this round: facts were read completely */
    bool facts_over; /* of this round: they came or failed */
    int64_t start_us;
    int64_t latency_us;
    uint64_t reader_seq; /* adapter->change_seq when the reader began */
    char facts_detail[DETAIL_TEXT_MAX];

    int64_t starting_until_us; /* fast retries after a server's start */
    int64_t reported_us;
    enum probe_outcome reported;
};

void mysql_prober_init(struct mysql_prober *prober, struct mysql_adapter *adapter);
/* Next round as soon as the loop turns, unless one is running. */
void mysql_prober_now(struct mysql_prober *prober);
void mysql_prober_server_started(struct mysql_prober *prober);
/* Drops the connections; a running round is reported (PROBE_LOST). */
void mysql_prober_server_died(struct mysql_prober *prober);
/* fn is called three times: both connections and the timer. */
void mysql_prober_stop(struct mysql_prober *prober, void (*fn)(void *data), void *data);
#define MYSQL_PROBER_HANDLES 3

#endif
