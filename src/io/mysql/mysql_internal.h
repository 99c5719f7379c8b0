/* SPDX-License-Identifier: Apache-2.0 */
/* The adapter's parts; for the files of io/mysql only. */
#ifndef TANDEM_IO_MYSQL_MYSQL_INTERNAL_H
#define TANDEM_IO_MYSQL_MYSQL_INTERNAL_H

#include "io/mysql/mysql.h"
#include "io/mysql/mysql_action.h"
#include "io/mysql/mysql_beat.h"
#include "io/mysql/mysql_probe.h"
#include "io/mysql/mysql_server.h"

struct mysql_adapter {
    struct mysql_config config;
    struct mysql_login login;
    struct mysql_server server;
    int64_t settings_us;
    int64_t events_us;
    bool xa_due;
    struct server_facts facts; /* newest; zero until have_facts */
    bool have_facts;
    /* Raised at the end of every job: facts whose reading began before are not taken any more. */
    uint64_t change_seq;
    struct mysql_prober prober;
    struct mysql_actor actor;
    struct mysql_beat beat;
    unsigned closing; /* handles and connections not yet closed */
    void (*stopped)(void *data);
    void *stopped_data;
};

/* A probe found the server answering. */
void mysql_adapter_alive(struct mysql_adapter *adapter);
void mysql_adapter_handle_closed(void *adapter);
void mysql_adapter_complete(struct mysql_adapter *adapter, uint64_t id,
                            const struct job_result *result);

#endif
