/* SPDX-License-Identifier: Apache-2.0 */
/* The rules between options. Each message names the line of the option that has to change. */
#include <arpa/inet.h>
#include <assert.h>
#include <string.h>

#include "io/config/config_fill.h"

#define VOTERS_MIN 3
#define VOTERS_WANTED_MAX 7
#define SOCKET_TEXT_MAX 108 /* sockaddr_un.sun_path */

struct check {
    struct cluster_config *c;
    const struct config_origin *from;
    struct config_errors *errors;
};

#define CHECK_ADD(k, line, ...) config_errors_add((k)->errors, CONFIG_ERROR, line, __VA_ARGS__)
#define CHECK_WARN(k, line, ...) config_errors_add((k)->errors, CONFIG_WARNING, line, __VA_ARGS__)

static bool check_is_host_address(const char *text, int family)
{
    unsigned char raw[sizeof(struct in6_addr)] = {0};
    static const unsigned char zero[sizeof raw];
    if (inet_pton(family, text, raw) != 1)
        return false;
    if (family == AF_INET)
        return raw[0] != 0 && raw[0] < 224;
    return raw[0] != 0xff && memcmp(raw, zero, sizeof zero) != 0;
}

static void check_two_nodes(const struct check *k, unsigned a, unsigned b)
{
    const struct config_node *x = &k->c->nodes[a];
    const struct config_node *y = &k->c->nodes[b];
    bool mysql = x->role != CONFIG_ROLE_WITNESS && y->role != CONFIG_ROLE_WITNESS;
    unsigned line = config_node_line(k->from, b, "address");
    if (x->address[0] == '\0' || strcmp(x->address, y->address) != 0)
        return;
    if (x->arbiter_port == y->arbiter_port) {
        CHECK_ADD(k, line,
                  "address of node '%s' is that of node '%s', %s, with the same arbiter port %u",
                  y->name, x->name, y->address, y->arbiter_port);
        return;
    }
    /* Several nodes on one host are for trying things out: then nothing may be shared. */
    if (mysql && x->mysql.port == y->mysql.port)
        CHECK_ADD(k, line, "nodes '%s' and '%s' on %s have the same mysql_port %u", x->name,
                  y->name, y->address, y->mysql.port);
    if (x->http_port != 0 && x->http_port == y->http_port)
        CHECK_WARN(k, line, "nodes '%s' and '%s' on %s have the same http_port %u", x->name,
                   y->name, y->address, y->http_port);
    if (mysql && strcmp(x->mysql.data_dir, y->mysql.data_dir) == 0)
        CHECK_ADD(k, line, "nodes '%s' and '%s' on %s have the same data_dir '%s'; use %%n in it",
                  x->name, y->name, y->address, y->mysql.data_dir);
    if (strcmp(x->state_dir, y->state_dir) == 0)
        CHECK_ADD(k, line, "nodes '%s' and '%s' on %s have the same state_dir '%s'; use %%n in it",
                  x->name, y->name, y->address, y->state_dir);
    if (strcmp(x->run_dir, y->run_dir) == 0)
        CHECK_ADD(k, line, "nodes '%s' and '%s' on %s have the same run_dir '%s'; use %%n in it",
                  x->name, y->name, y->address, y->run_dir);
}

/* HTTP that cannot listen is a warning in the log; without the other two nothing works. */
static void check_ports(const struct check *k, unsigned i)
{
    const struct config_node *n = &k->c->nodes[i];
    bool mysql = n->role != CONFIG_ROLE_WITNESS;
    unsigned line = config_node_line(k->from, i, "address");
    if (n->http_port != 0 &&
        (n->http_port == n->arbiter_port || (mysql && n->http_port == n->mysql.port)))
        CHECK_WARN(k, line, "http_port of node '%s' is %u, as is its %s; each needs its own",
                   n->name, n->http_port,
                   n->http_port == n->arbiter_port ? "arbiter_port" : "mysql_port");
    if (mysql && n->arbiter_port == n->mysql.port)
        CHECK_ADD(k, line,
                  "arbiter_port of node '%s' is %u, as is its mysql_port; each needs its own",
                  n->name, n->arbiter_port);
}

/* Options that mean nothing for a node's role are mistakes: they would silently do nothing. */
static void check_role_options(const struct check *k, unsigned i)
{
    const struct config_node *n = &k->c->nodes[i];
    const struct config_value *source = config_node_value(k->from, i, "source");
    const struct config_value *priority = config_node_value(k->from, i, "priority");
    if (n->role != CONFIG_ROLE_REPLICA && source->own && n->source != NODE_NONE)
        CHECK_ADD(k, source->line,
                  "source of node '%s' is set, but its role is %s; only a replica has one", n->name,
                  config_role_text(n->role));
    if (n->role != CONFIG_ROLE_CANDIDATE && priority->own && n->priority != 0)
        CHECK_ADD(k, priority->line,
                  "priority of node '%s' is set, but its role is %s; only a candidate has one",
                  n->name, config_role_text(n->role));
    if (n->role != CONFIG_ROLE_CANDIDATE && n->no_promote)
        CHECK_ADD(k, config_node_line(k->from, i, "no_promote"),
                  "no_promote of node '%s' is set, but its role is %s; only a candidate has it",
                  n->name, config_role_text(n->role));
    if (n->role == CONFIG_ROLE_CANDIDATE && n->priority == 0 && !priority->bad)
        CHECK_ADD(
            k, config_node_line(k->from, i, "priority"),
            "priority of candidate '%s' is missing; allowed: 1 to 254, each candidate its own",
            n->name);
    for (unsigned row = 0; row < option_count(); row++) {
        const struct config_value *v = &k->from->node[i][row];
        if (n->role == CONFIG_ROLE_WITNESS && v->own && strcmp(option_at(row)->block, "mysql") == 0)
            CHECK_ADD(k, v->line, "%s of node '%s' is set, but a witness has no server",
                      option_at(row)->node_name, n->name);
    }
}

static void check_node(const struct check *k, unsigned i)
{
    const struct config_node *n = &k->c->nodes[i];
    char sock[PATH_TEXT_MAX + 16];
    if (n->address[0] != '\0' && !check_is_host_address(n->address, n->family))
        CHECK_ADD(k, config_node_line(k->from, i, "address"),
                  "address of node '%s' is %s, which is not the address of one host", n->name,
                  n->address);
    if (strlen(n->mysql.socket) >= SOCKET_TEXT_MAX)
        CHECK_ADD(k, config_node_line(k->from, i, "socket"),
                  "socket of node '%s' is too long for a unix socket; allowed: %d characters",
                  n->name, SOCKET_TEXT_MAX - 1);
    (void)snprintf(sock, sizeof sock, "%s/agent.sock", n->run_dir);
    if (strlen(sock) >= SOCKET_TEXT_MAX)
        CHECK_ADD(k, config_node_line(k->from, i, "run_dir"),
                  "run_dir of node '%s' is too long for a unix socket; allowed: %d characters",
                  n->name, SOCKET_TEXT_MAX - 1 - (int)strlen("/agent.sock"));
    check_role_options(k, i);
    check_ports(k, i);
    for (unsigned b = i + 1; b < k->c->n_nodes; b++)
        check_two_nodes(k, i, b);
}

static void check_priorities(const struct check *k)
{
    unsigned candidates = 0;
    for (unsigned b = 0; b < k->c->n_nodes; b++) {
        const struct config_node *y = &k->c->nodes[b];
        candidates += y->role == CONFIG_ROLE_CANDIDATE;
        for (unsigned a = 0; a < b; a++) {
            const struct config_node *x = &k->c->nodes[a];
            if (x->role == CONFIG_ROLE_CANDIDATE && y->role == CONFIG_ROLE_CANDIDATE &&
                x->priority == y->priority && y->priority != 0)
                CHECK_ADD(k, config_node_line(k->from, b, "priority"),
                          "priority of candidate '%s' is %u, as that of '%s'; each candidate needs "
                          "its own",
                          y->name, y->priority, x->name);
        }
    }
    if (candidates == 0)
        CHECK_ADD(k, 0,
                  "no node is a candidate, so none may be the writer; set role = candidate and a "
                  "priority for at least two nodes");
    else if (candidates == 1)
        CHECK_WARN(k, 0, "only one node is a candidate: when it fails nobody can take over");
}

static void check_sources(const struct check *k)
{
    for (unsigned i = 0; i < k->c->n_nodes; i++) {
        unsigned line = config_node_line(k->from, i, "source");
        unsigned at = i;
        unsigned steps = 0;
        if (k->c->nodes[i].source == NODE_NONE)
            continue;
        if (k->c->nodes[k->c->nodes[i].source].role == CONFIG_ROLE_WITNESS)
            CHECK_ADD(k, line, "source of node '%s' is the witness '%s', which has no server",
                      k->c->nodes[i].name, k->c->nodes[k->c->nodes[i].source].name);
        while (at != NODE_NONE && steps++ <= k->c->n_nodes)
            at = k->c->nodes[at].source == i ? i : k->c->nodes[at].source;
        if (at != NODE_NONE)
            CHECK_ADD(k, line,
                      "source of node '%s' leads in a circle; the chain must end at the writer",
                      k->c->nodes[i].name);
    }
}

/* Candidates and witnesses, padded with replicas in the order of the file to the next odd number of
 * at least three. */
static void check_default_voters(const struct check *k)
{
    struct cluster_config *c = k->c;
    unsigned count = 0;
    unsigned wanted;
    for (unsigned i = 0; i < c->n_nodes; i++) {
        if (c->nodes[i].role == CONFIG_ROLE_REPLICA)
            continue;
        c->arbiter.voters |= 1u << i;
        count++;
    }
    wanted = count < VOTERS_MIN ? VOTERS_MIN : count | 1u;
    for (unsigned i = 0; i < c->n_nodes && count < wanted; i++) {
        if (c->nodes[i].role != CONFIG_ROLE_REPLICA)
            continue;
        c->arbiter.voters |= 1u << i;
        count++;
    }
    if (count < wanted)
        CHECK_ADD(k, k->from->arbiter_line,
                  "%u nodes can vote, but an odd number of at least %d must; add a node with role "
                  "= witness%s",
                  count, VOTERS_MIN, count > VOTERS_MIN ? ", or name the voters" : "");
}

static void check_voters(const struct check *k)
{
    struct cluster_config *c = k->c;
    unsigned line = config_cluster_line(k->from, "arbiter", "voters");
    unsigned count;
    if (!c->arbiter.voters_chosen)
        check_default_voters(k);
    count = config_voter_count(c);
    line = line > 0 ? line : k->from->arbiter_line;
    if (c->arbiter.voters_chosen && (count < VOTERS_MIN || count % 2 == 0))
        CHECK_ADD(k, line, "voters has %u nodes; allowed: an odd number of at least %d", count,
                  VOTERS_MIN);
    for (unsigned i = 0; i < c->n_nodes; i++) {
        if (c->nodes[i].role != CONFIG_ROLE_REPLICA && !config_node_is_voter(c, i))
            CHECK_ADD(k, line,
                      "voters leaves out '%s', a %s; candidates and witnesses have to vote",
                      c->nodes[i].name, config_role_text(c->nodes[i].role));
    }
    if (count > VOTERS_WANTED_MAX)
        CHECK_WARN(k, line,
                   "%u nodes vote; more than %d make every decision slower without being safer",
                   count, VOTERS_WANTED_MAX);
}

/* What was written for the other kind of arbiter would silently do nothing. */
static void check_foreign_block(const struct check *k, const char *block, const char *type)
{
    for (unsigned row = 0; row < option_count(); row++) {
        const struct option_row *o = option_at(row);
        unsigned line = k->from->cluster[row].line;
        if (o->scope == OPTION_IN_CLUSTER && strcmp(o->block, block) == 0 && line > 0)
            CHECK_ADD(k, line, "%s is set, but the arbiter is %s", o->name, type);
    }
}

static void check_vrrp_version(const struct check *k)
{
    const struct config_vrrp *v = &k->c->vrrp;
    unsigned line = config_cluster_line(k->from, "vrrp", "version");
    if (v->version == 3 && v->password[0] != '\0')
        CHECK_ADD(k, config_cluster_line(k->from, "vrrp", "password"),
                  "password is set, but version 3 has none; allowed: with version = 2");
    if (v->version == 2 && v->advert_interval_ms % 1000 != 0)
        CHECK_ADD(k, config_cluster_line(k->from, "vrrp", "advert_interval"),
                  "advert_interval is %u ms; allowed in version 2: whole seconds",
                  v->advert_interval_ms);
    if (v->version == 3 && v->advert_interval_ms % 10 != 0)
        CHECK_ADD(k, config_cluster_line(k->from, "vrrp", "advert_interval"),
                  "advert_interval is %u ms; allowed: whole centiseconds", v->advert_interval_ms);
    for (unsigned i = 0; i < k->c->n_vips && v->version == 2; i++) {
        if (k->c->vips[i].family == AF_INET6)
            CHECK_ADD(k, line > 0 ? line : k->from->vip_line[i],
                      "virtual_ipaddress '%s' is of IPv6, which version 2 does not carry; allowed: "
                      "version = 3",
                      k->c->vips[i].address);
    }
    if (v->password[0] != '\0')
        CHECK_WARN(k, config_cluster_line(k->from, "vrrp", "password"),
                   "the password of VRRP version 2 travels in clear: it is no security");
}

static void check_vrrp_unicast(const struct check *k)
{
    const struct cluster_config *c = k->c;
    for (unsigned i = 0; c->vrrp.unicast && i < c->n_vips; i++) {
        if (c->vips[i].family != c->nodes[0].family)
            CHECK_WARN(k, config_cluster_line(k->from, "vrrp", "unicast"),
                       "virtual_ipaddress '%s' is of another address family than the nodes: it is "
                       "advertised to the multicast group",
                       c->vips[i].address);
    }
}

static void check_vrrp_routers(const struct check *k)
{
    const struct cluster_config *c = k->c;
    unsigned n = 0, vip;
    for (unsigned first = config_router(c, 0); (vip = config_router(c, n)) != VIP_NONE; n++) {
        if (n == VRRP_ROUTERS_MAX)
            CHECK_ADD(k, k->from->vip_line[vip],
                      "virtual_ipaddress '%s' is of a virtual router more; allowed: %d, one per "
                      "number and address family",
                      c->vips[vip].address, VRRP_ROUTERS_MAX);
        if (c->vrrp.unicast && strcmp(c->vips[vip].device, c->vips[first].device) != 0 &&
            c->vips[vip].family == c->nodes[0].family)
            CHECK_ADD(k, k->from->vip_line[vip],
                      "virtual_ipaddress '%s' is advertised on '%s', the first one on '%s'; with "
                      "unicast all are advertised to the other node's one address",
                      c->vips[vip].address, c->vips[vip].device, c->vips[first].device);
    }
}

/* RFC 9568 5.2.9. Whoever checks it in what arrives would take the Master for silent; what is sent
 * to the other node alone, nobody else hears. */
static void check_vrrp_link_local(const struct check *k)
{
    const struct cluster_config *c = k->c;
    unsigned vip;
    for (unsigned n = 0; (vip = config_router(c, n)) != VIP_NONE; n++) {
        const struct config_vip *v = &c->vips[vip];
        if (v->family != AF_INET6 || config_vip_is_link_local(c, vip) ||
            (c->vrrp.unicast && c->nodes[0].family == AF_INET6))
            continue;
        CHECK_WARN(k, k->from->vip_line[vip],
                   "virtual_ipaddress '%s' is the first of IPv6 of virtual router %u, and no "
                   "link-local one, which RFC 9568 5.2.9 wants there. Keepalived does not mind; if "
                   "a router of another make is to hear the advertisements, list an address of "
                   "fe80::/10 before it, with the same device%s",
                   v->address, config_vip_router(c, vip),
                   v->router_id != 0 ? " and router_id" : "");
    }
}

/* Accept_Mode is of a virtual router as a whole. The addresses that vrrp.router_id advertises are
 * those of the database: nobody could reach it. */
static void check_vrrp_accept(const struct check *k)
{
    const struct cluster_config *c = k->c;
    for (unsigned i = 0; i < c->n_vips; i++) {
        const struct config_vip *v = &c->vips[i];
        if (!v->accept && config_vip_router(c, i) == c->vrrp.router_id)
            CHECK_ADD(k, k->from->vip_line[i],
                      "accept of virtual_ipaddress '%s' is false, but it is of virtual router %u, "
                      "that of block vrrp, whose addresses the clients of the database talk to; "
                      "leave accept out, or give an address that is only to be held a router_id of "
                      "its own",
                      v->address, c->vrrp.router_id);
        for (unsigned j = 0; j < i; j++) {
            if (!config_vips_share_router(c, i, j) || c->vips[j].accept == v->accept)
                continue;
            CHECK_ADD(k, k->from->vip_line[i],
                      "accept of virtual_ipaddress '%s' is %s, that of '%s' is not; allowed: the "
                      "same for all addresses of virtual router %u",
                      v->address, v->accept ? "true" : "false", c->vips[j].address,
                      config_vip_router(c, i));
            break;
        }
    }
    if (c->n_vips > 0 && !c->vips[config_client_vip(c)].accept)
        CHECK_ADD(k, k->from->vip_line[0],
                  "accept is false for every virtual_ipaddress: clients would have none to talk "
                  "to; leave it out for those of the database");
}

/* The macvlan device is one per virtual router, and takes the label's place. */
static void check_vrrp_mac(const struct check *k)
{
    const struct cluster_config *c = k->c;
    if (!c->vrrp.virtual_mac)
        return;
    if (c->vrrp.unicast)
        CHECK_ADD(k, config_cluster_line(k->from, "vrrp", "virtual_mac"),
                  "virtual_mac with unicast: what is sent to one host is answered to one host; "
                  "allowed: either of the two");
    for (unsigned i = 0; i < c->n_vips; i++) {
        const struct config_vip *v = &c->vips[i];
        if (v->label[0] != '\0')
            CHECK_ADD(k, k->from->vip_line[i],
                      "label of virtual_ipaddress '%s' is of device '%s', but with virtual_mac the "
                      "address is on a device of its own; leave the label out",
                      v->address, v->device);
        for (unsigned j = 0; j < i; j++) {
            if (config_vips_share_router(c, i, j) && strcmp(c->vips[j].device, v->device) != 0)
                CHECK_ADD(
                    k, k->from->vip_line[i],
                    "virtual_ipaddress '%s' is on device '%s', '%s' on '%s'; with virtual_mac "
                    "the addresses of a family that have one router_id are on one device",
                    v->address, v->device, c->vips[j].address, c->vips[j].device);
        }
    }
}

/* Why an answer of that address would prove nothing; NULL if it may. */
static const char *check_arbitration_why(const struct cluster_config *c, const char *one)
{
    unsigned char raw[sizeof(struct in6_addr)] = {0}, other[sizeof raw];
    static const unsigned char loopback6[sizeof raw] = {[15] = 1};
    int family = strchr(one, ':') != NULL ? AF_INET6 : AF_INET;
    if (!check_is_host_address(one, family) || inet_pton(family, one, raw) != 1)
        return "is not the address of a host";
    if (family == AF_INET ? raw[0] == 127 : memcmp(raw, loopback6, sizeof raw) == 0)
        return "is a loopback address, which answers whatever is cut off";
    if (family == AF_INET ? raw[0] == 169 && raw[1] == 254 : raw[0] == 0xfe && raw[1] >> 6 == 2)
        return "is a link-local address, which does not say on which link";
    for (unsigned i = 0; i < c->n_nodes; i++) {
        if (c->nodes[i].role == CONFIG_ROLE_CANDIDATE &&
            inet_pton(family, c->nodes[i].address, other) == 1 &&
            memcmp(raw, other, family == AF_INET ? 4 : sizeof raw) == 0)
            return "is that of one of the two hosts, which bears no witness for itself";
    }
    for (unsigned i = 0; i < c->n_vips; i++) {
        if (inet_pton(family, c->vips[i].address, other) == 1 &&
            memcmp(raw, other, family == AF_INET ? 4 : sizeof raw) == 0)
            return "is a virtual_ipaddress, which is where the writer is";
    }
    return NULL;
}

static bool check_arbitration_is_twice(const char *all, const char *at, size_t length)
{
    while (all < at) {
        size_t n = strcspn(all, " ");
        if (n == length && memcmp(all, at, n) == 0)
            return true;
        all += n + 1;
    }
    return false;
}

/* An address that answers for itself alone would let a host that is cut off believe that it is not.
 */
static void check_vrrp_arbitration(const struct check *k)
{
    const char *all = k->c->vrrp.arbitration;
    unsigned line = config_cluster_line(k->from, "vrrp", "arbitration");
    for (const char *at = all; *at != '\0'; at += *at == ' ') {
        char one[ADDRESS_TEXT_MAX] = "";
        size_t length = strcspn(at, " ");
        const char *why;
        memcpy(one, at, length < sizeof one ? length : sizeof one - 1);
        why = check_arbitration_is_twice(all, at, length) ? "is there twice"
                                                          : check_arbitration_why(k->c, one);
        if (why != NULL)
            CHECK_ADD(k, line,
                      "arbitration address '%s' %s; allowed: hosts that answer pings and that a "
                      "host without network does not reach, such as the gateway",
                      one, why);
        at += length;
    }
}

static void check_vrrp_doubts(const struct check *k)
{
    const struct cluster_config *c = k->c;
    unsigned line = k->from->arbiter_line;
    CHECK_WARN(
        k, line,
        "arbiter vrrp has no quorum: if the two hosts lose each other and both reach an "
        "arbitration address, both write, and what one of them acknowledged is lost. A third "
        "node, a witness will do, and arbiter raft end that");
    CHECK_WARN(k, line,
               "run an agent on both hosts: a Keepalived as the other one keeps neither rule: it "
               "does not wait until this host is closed, so both may write, and it takes over "
               "whatever its server lacks, so acknowledged commits are lost");
    if (c->vrrp.arbitration[0] == '\0')
        CHECK_WARN(k, k->from->vrrp_line > 0 ? k->from->vrrp_line : line,
                   "no arbitration address: when a host falls silent the other one takes over by "
                   "hand only (tandem failover)");
    if (c->policy.durability == CONFIG_DURABILITY_STRICT)
        CHECK_WARN(k, config_cluster_line(k->from, "policy", "durability"),
                   "durability = strict with two nodes: after a takeover no commit ends before the "
                   "other host is back");
}

/* A pair without a quorum: exactly two that may be the writer, and replicas without agents. */
static void check_vrrp(const struct check *k)
{
    struct cluster_config *c = k->c;
    unsigned line = k->from->arbiter_line;
    unsigned candidates = 0;
    check_foreign_block(k, "arbiter", "vrrp");
    c->arbiter.voters = 0;
    for (unsigned i = 0; i < c->n_nodes; i++) {
        bool candidate = c->nodes[i].role == CONFIG_ROLE_CANDIDATE;
        candidates += candidate;
        c->arbiter.voters |= candidate ? 1u << i : 0;
        if (c->nodes[i].role == CONFIG_ROLE_WITNESS)
            CHECK_ADD(k, config_node_line(k->from, i, "role"),
                      "node '%s' is a witness; allowed with arbiter vrrp: candidates and replicas. "
                      "With a witness, arbiter raft proves what vrrp cannot",
                      c->nodes[i].name);
        else if (candidate && i >= 2)
            CHECK_ADD(k, config_node_line(k->from, i, "role"),
                      "candidate '%s' is node %u of the file; allowed with arbiter vrrp: two "
                      "candidates, and they come first",
                      c->nodes[i].name, i + 1);
    }
    if (candidates != 2)
        CHECK_ADD(k, line,
                  "arbiter vrrp with %u candidates; allowed: two. With three or more voters, "
                  "arbiter raft proves what vrrp cannot",
                  candidates);
    if (c->n_vips == 0)
        CHECK_ADD(k, line, "arbiter vrrp without a virtual_ipaddress has nothing to advertise");
    if (c->vrrp.router_id == 0)
        CHECK_ADD(k, k->from->vrrp_line > 0 ? k->from->vrrp_line : line,
                  "router_id is missing in block 'vrrp'; allowed: 1 to 255");
    check_vrrp_version(k);
    check_vrrp_unicast(k);
    check_vrrp_routers(k);
    check_vrrp_link_local(k);
    check_vrrp_accept(k);
    check_vrrp_mac(k);
    check_vrrp_arbitration(k);
    check_vrrp_doubts(k);
}

static void check_arbiter(const struct check *k)
{
    if (k->c->arbiter.type == CONFIG_ARBITER_VRRP) {
        check_vrrp(k);
        return;
    }
    check_foreign_block(k, "vrrp", "raft");
    for (unsigned i = 0; i < k->c->n_vips; i++) {
        if (k->c->vips[i].router_id != 0)
            CHECK_ADD(k, k->from->vip_line[i],
                      "router_id of virtual_ipaddress '%s' is set, but the arbiter is raft",
                      k->c->vips[i].address);
        if (!k->c->vips[i].accept)
            CHECK_ADD(k, k->from->vip_line[i],
                      "accept of virtual_ipaddress '%s' is false, but the arbiter is raft, with "
                      "which all addresses are the database's; leave it out",
                      k->c->vips[i].address);
    }
    check_voters(k);
}

static void check_vip_label(const struct check *k, unsigned i)
{
    const struct config_vip *v = &k->c->vips[i];
    size_t n = strlen(v->device);
    unsigned line = k->from->vip_line[i];
    if (v->label[0] == '\0')
        return;
    if (v->family == AF_INET6)
        CHECK_ADD(k, line, "label of virtual_ipaddress '%s' is set, but IPv6 addresses have none",
                  v->address);
    else if (strncmp(v->label, v->device, n) != 0 || v->label[n] != ':' || v->label[n + 1] == '\0')
        CHECK_ADD(k, line,
                  "label of virtual_ipaddress '%s' is '%s'; allowed: '%s:' and more, at most %d "
                  "characters",
                  v->address, v->label, v->device, VIP_LABEL_MAX - 1);
}

static void check_vips(const struct check *k)
{
    for (unsigned i = 0; i < k->c->n_vips; i++) {
        const struct config_vip *v = &k->c->vips[i];
        unsigned line = k->from->vip_line[i];
        if (v->address[0] == '\0')
            continue;
        if (!check_is_host_address(v->address, v->family))
            CHECK_ADD(k, line, "virtual_ipaddress '%s' is not the address of one host", v->address);
        check_vip_label(k, i);
        for (unsigned j = 0; j < i; j++) {
            if (strcmp(k->c->vips[j].address, v->address) == 0)
                CHECK_ADD(k, line, "virtual_ipaddress '%s' is there twice", v->address);
        }
        for (unsigned j = 0; j < k->c->n_nodes; j++) {
            if (strcmp(k->c->nodes[j].address, v->address) == 0)
                CHECK_ADD(k, line, "virtual_ipaddress '%s' is the address of node '%s'", v->address,
                          k->c->nodes[j].name);
        }
    }
    if (k->c->n_vips == 0)
        CHECK_WARN(k, 0, "no virtual_ipaddress: clients have to find the writer by themselves");
}

static void check_policy(const struct check *k)
{
    const struct config_policy *p = &k->c->policy;
    const struct config_arbiter *a = &k->c->arbiter;
    if (a->heartbeat_ms * 2 > a->election_timeout_ms)
        CHECK_ADD(k, config_cluster_line(k->from, "arbiter", "heartbeat"),
                  "heartbeat is %u ms; allowed: at most half of election_timeout, %u ms",
                  a->heartbeat_ms, a->election_timeout_ms / 2);
    if (p->vip_lifetime_ms < 2 * a->election_timeout_ms)
        CHECK_ADD(k, config_cluster_line(k->from, "policy", "vip_lifetime"),
                  "vip_lifetime is %u ms; allowed: at least twice election_timeout, %u ms",
                  p->vip_lifetime_ms, 2 * a->election_timeout_ms);
    if (p->shrink_after_ms < 2 * a->heartbeat_ms)
        CHECK_ADD(k, config_cluster_line(k->from, "policy", "shrink_after"),
                  "shrink_after is %u ms; allowed: at least two heartbeats, %u ms",
                  p->shrink_after_ms, 2 * a->heartbeat_ms);
    if (p->slow_after_ms != 0 && p->slow_ack_ms < 2 * (p->probe_interval_ms + a->heartbeat_ms))
        CHECK_ADD(k, config_cluster_line(k->from, "policy", "slow_ack"),
                  "slow_ack is %u ms; allowed: at least twice probe_interval and heartbeat "
                  "together, %u ms; or slow_after = 0",
                  p->slow_ack_ms, 2 * (p->probe_interval_ms + a->heartbeat_ms));
    if (p->close_timeout_ms >= p->switchover_timeout_ms)
        CHECK_ADD(k, config_cluster_line(k->from, "policy", "close_timeout"),
                  "close_timeout is %u ms; allowed: less than switchover_timeout, %u ms",
                  p->close_timeout_ms, p->switchover_timeout_ms);
    if (p->fence_kill_after_ms <= a->election_timeout_ms)
        CHECK_ADD(k, config_cluster_line(k->from, "policy", "fence_kill_after"),
                  "fence_kill_after is %u ms; allowed: more than election_timeout, %u ms",
                  p->fence_kill_after_ms, a->election_timeout_ms);
}

void config_check(struct cluster_config *c, const struct config_origin *from,
                  struct config_errors *errors)
{
    struct check k = {.c = c, .from = from, .errors = errors};
    if (c->n_nodes == 0) {
        CHECK_ADD(&k, 0,
                  "no node; write a block such as: node m1 { address = 192.0.2.1 role = candidate "
                  "priority = 100 }");
        return;
    }
    for (unsigned i = 0; i < c->n_nodes; i++)
        check_node(&k, i);
    check_vips(&k);
    /* What was refused above holds a default now; judging it would only confuse. */
    if (from->cluster_bad)
        return;
    check_priorities(&k);
    check_sources(&k);
    check_arbiter(&k);
    check_policy(&k);
}
