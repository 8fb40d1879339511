//! Workloads with machinery of their own: Windows VSS, VMware, databases on instances.

use crate::diagnosis::Cause::{InvalidParameter, ResourceInvalidState, VmwareInfrastructure, VssPrerequisite};
use crate::diagnosis::text::signal::Clue::{Any, No, Type};
use crate::diagnosis::text::signal::{Clue, Signal, Tier};

const VM: Clue = Type(&["virtualmachine", "vmware"]);

pub(super) const SIGNALS: &[Signal] = &[
    Signal {
        tier: Tier::Specific,
        clues: &[Any(&["vss", "awsvsscomponents", "volume shadow", "shadow copy", "vss writer*"])],
        gives: &[(VssPrerequisite, 13)],
    },
    Signal {
        tier: Tier::Specific,
        clues: &[Any(&["ssm agent", "systems manager agent"])],
        gives: &[(VssPrerequisite, 7), (ResourceInvalidState, 3)],
    },
    Signal {
        tier: Tier::Specific,
        clues: &[Any(&["windows"]), Any(&["consistent", "application consistent", "crash consistent"])],
        gives: &[(VssPrerequisite, 7)],
    },
    Signal {
        tier: Tier::Specific,
        clues: &[
            Any(&[
                "hypervisor",
                "hypervisors",
                "vmware",
                "vcenter",
                "vsphere",
                "esx",
                "esxi",
                "vmdk",
                "vmdks",
                "vddk",
                "block tracking",
                "cbt",
                "vmware tools",
                "quiesc*",
                "virtual disk*",
                "datastore",
                "nbd",
            ]),
            No(&["vss"]),
        ],
        gives: &[(VmwareInfrastructure, 11)],
    },
    Signal {
        tier: Tier::Specific,
        clues: &[
            Any(&["gateway", "gateways"]),
            No(&["storage gateway", "internet gateway", "nat gateway", "tape gateway", "volume gateway"]),
        ],
        gives: &[(VmwareInfrastructure, 9)],
    },
    Signal {
        tier: Tier::Specific,
        clues: &[
            VM,
            Any(&[
                "disk",
                "disks",
                "network",
                "snapshot creation",
                "ingestion",
                "backup data",
                "process*",
                "upload*",
                "connect*",
                "dns",
                "socket",
                "ssl",
                "certificate",
                "bandwidth",
                "credentials",
                "login",
                "host",
                "memory",
                "gateway",
                "storage",
            ]),
        ],
        gives: &[(VmwareInfrastructure, 9)],
    },
    Signal {
        tier: Tier::Specific,
        clues: &[Any(&["virtual machine", "virtual machines"]), Any(&["error", "fail*", "unable", "not", "disk", "snapshot"])],
        gives: &[(VmwareInfrastructure, 7)],
    },
    Signal { tier: Tier::Specific, clues: &[Any(&["ingestion"]), Any(&["network", "data"])], gives: &[(VmwareInfrastructure, 6)] },
    Signal { tier: Tier::General, clues: &[VM], gives: &[(VmwareInfrastructure, 7)] },
    Signal {
        tier: Tier::General,
        clues: &[Any(&["ssm", "run command", "hana", "backint", "pre script", "script"])],
        gives: &[(ResourceInvalidState, 6), (InvalidParameter, 4)],
    },
];
