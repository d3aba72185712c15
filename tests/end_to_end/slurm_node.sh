#!/bin/bash
# A real Slurm of one node on this machine, from Debian's packages, for tests: munge, slurmctld, slurmd; no accounting database.
#
#   sudo apt-get install -y slurm-wlm munge
#   sudo tests/end_to_end/slurm_node.sh start DIR     then: export SLURM_CONF=DIR/slurm.conf
#   sudo tests/end_to_end/slurm_node.sh stop DIR
#
# Everything lies in DIR (not below a folder that only its owner may enter). Two partitions, `low` and `high`: a job in high takes
# the node from a job in low, which Slurm stops and queues again. A job gets the whole node.
set -euo pipefail

action=${1:-}
folder=${2:-}
if [[ ! $action =~ ^(start|stop)$ || -z $folder ]]; then
    echo "usage: $0 start|stop DIR" >&2
    exit 2
fi

stop() {
    for name in slurmd slurmctld munged; do
        if [[ -s $folder/$name.pid ]]; then
            kill "$(cat "$folder/$name.pid")" 2>/dev/null || true
            rm -f "$folder/$name.pid"
        fi
    done
}

if [[ $action == stop ]]; then
    stop
    exit 0
fi

for tool in munged slurmctld slurmd sbatch; do
    PATH=$PATH:/usr/sbin command -v $tool >/dev/null || {
        echo "$0: $tool is missing; run: apt-get install -y slurm-wlm munge" >&2
        exit 3
    }
done
PATH=$PATH:/usr/sbin
mkdir -p "$folder"/{state,spool,log}
folder=$(cd "$folder" && pwd)
chmod 755 "$folder"
host=$(hostname -s)
# Ports of our own, so that another Slurm of this machine is not disturbed.
cat >"$folder/slurm.conf" <<CONF
ClusterName=benchbed
SlurmctldHost=$host(127.0.0.1)
SlurmctldPort=${SLURM_NODE_PORT:-26817}
SlurmdPort=$((${SLURM_NODE_PORT:-26817} + 1))
AuthType=auth/munge
AuthInfo=socket=$folder/munge.socket
CryptoType=crypto/munge
SlurmUser=root
SlurmdUser=root
StateSaveLocation=$folder/state
SlurmdSpoolDir=$folder/spool
SlurmctldPidFile=$folder/slurmctld.pid
SlurmdPidFile=$folder/slurmd.pid
SlurmctldLogFile=$folder/log/slurmctld.log
SlurmdLogFile=$folder/log/slurmd.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/linear
AccountingStorageType=accounting_storage/none
JobAcctGatherType=jobacct_gather/none
JobCompType=jobcomp/none
MpiDefault=none
SchedulerParameters=requeue_delay=1
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
JobRequeue=1
ReturnToService=2
KillWait=5
MinJobAge=600
SlurmctldTimeout=600
SlurmdTimeout=600
MessageTimeout=60
$(slurmd -C | head -n 1) NodeAddr=127.0.0.1 State=UNKNOWN
PartitionName=low Nodes=$host Default=YES MaxTime=INFINITE State=UP PriorityTier=1 PreemptMode=REQUEUE
PartitionName=high Nodes=$host MaxTime=INFINITE State=UP PriorityTier=10 PreemptMode=OFF
CONF
# Nothing here needs control groups, but slurmd loads a plugin for them; only from version 23.02 on it can do without.
version=$(slurmd -V | awk '{print int($2)}')
if ((version >= 23)); then
    plugin=disabled
elif [[ -e /sys/fs/cgroup/cgroup.controllers ]]; then
    plugin=cgroup/v2
else
    plugin=cgroup/v1
fi
echo "CgroupPlugin=$plugin" >"$folder/cgroup.conf"

trap 'stop' ERR
if [[ ! -s $folder/munge.key ]]; then
    (umask 077 && head -c 1024 /dev/urandom >"$folder/munge.key")
fi
munged --force --key-file="$folder/munge.key" --socket="$folder/munge.socket" --pid-file="$folder/munged.pid" \
    --log-file="$folder/log/munged.log" --seed-file="$folder/munged.seed"
export SLURM_CONF=$folder/slurm.conf
slurmctld
slurmd
for _ in $(seq 120); do
    if sinfo --noheader --format=%T 2>/dev/null | grep -q idle; then
        echo "export SLURM_CONF=$SLURM_CONF"
        exit 0
    fi
    sleep 1
done
echo "$0: the node did not come up in 120 s; see $folder/log" >&2
stop
exit 1
