/* SPDX-License-Identifier: Apache-2.0 */
/* What `tandem adopt` was asked for; read from the command line by cmd_adopt.c, carried out by
 * app/adopt.h. Texts live as long as the command. */
#ifndef TANDEM_CLI_ADOPT_ORDER_H
#define TANDEM_CLI_ADOPT_ORDER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "wire/limits.h"

#define ADOPT_TEXT_MAX 256
#define ADOPT_PASSWORD_MAX 256

/* HOST[:PORT] */
struct adopt_place {
    char host[ADOPT_TEXT_MAX];
    uint16_t port; /* 3306 unless it was given */
};

struct adopt_name {
    struct adopt_place place;
    char name[NODE_NAME_MAX];
};

/* A node that is no server of the topology. */
struct adopt_extra {
    char name[NODE_NAME_MAX];
    char address[ADDRESS_TEXT_MAX];
    char role[16];
};

struct adopt_order {
    struct adopt_place seeds[NODES_MAX];
    unsigned n_seeds;
    struct adopt_place ignored[NODES_MAX];
    unsigned n_ignored;
    struct adopt_name names[NODES_MAX];
    unsigned n_names;
    struct adopt_extra extra[NODES_MAX];
    unsigned n_extra;
    const char *vips[VIPS_MAX]; /* ADDRESS/PREFIX@DEVICE[:LABEL] */
    unsigned n_vips;
    struct adopt_place writer; /* host "": not named */
    const char *user;
    char password[ADOPT_PASSWORD_MAX];
    const char *cluster; /* NULL: "adopted" */
    const char *out;     /* NULL: standard output */
    bool gtid;
    bool dry_run;
    bool checked;
    unsigned watch_s;
    unsigned wait_s;
};

struct cli;

/* Parts of a command line, for `tandem repoint` too. CLI_OK, or what a command returns, the reason
 * on cli->err. */
/* HOST, HOST:PORT, [IPv6]:PORT or a bare IPv6 address; `n` bytes. */
int adopt_order_place(const struct cli *cli, const char *text, size_t n, struct adopt_place *place);
/* Option `name`, 0 to a day; `standard` where it is not given. */
int adopt_order_seconds(const struct cli *cli, const char *name, unsigned standard, unsigned *ret);
/* Of the file of --password-file; empty without that option. */
int adopt_order_password(const struct cli *cli, char ret_password[ADOPT_PASSWORD_MAX]);
/* --user, or root. */
const char *adopt_order_user(const struct cli *cli);

#endif
