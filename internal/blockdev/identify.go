package blockdev

import (
	"path"
	"strings"
)

// scsiOptical is the type of a drive for discs (SPC-4, table 142).
const scsiOptical = "5"

// identify fills in what the disk is, and who made it.
func (s system) identify(d *Disk) {
	device := d.dir + "/device"
	d.Vendor, d.Model = s.text(device+"/vendor"), s.text(device+"/model")
	if d.Model == "" {
		d.Model = s.text(device + "/name") // of an SD card
	}
	usb := s.usbDevice(d.dir)
	for _, name := range []string{usb + "/serial", device + "/serial", d.dir + "/serial"} {
		if d.Serial == "" {
			d.Serial = s.text(name)
		}
	}
	if d.Serial == "" {
		d.Serial = s.unitSerial(device)
	}
	switch kind := s.text(device + "/type"); {
	case strings.HasPrefix(d.dir, "sys/devices/virtual/") && s.exists(d.dir+"/loop"):
		d.Kind, d.Model, d.Serial = Loop, "loop device", s.text(d.dir+"/loop/backing_file")
	case strings.HasPrefix(d.dir, "sys/devices/virtual/"), kind == scsiOptical, strings.HasPrefix(d.Name, "fd"):
		d.Kind = Fixed
	case kind == "SD": // another is "MMC": memory that is soldered on
		d.Kind = SD
	case usb != "":
		d.Kind = USB
	case s.text(d.dir+"/removable") == "1":
		d.Kind = Removable
	}
}

// usbDevice returns the folder of the USB device that a disk belongs to, or "".
func (s system) usbDevice(dir string) string {
	for ; dir != "." && dir != "sys/devices"; dir = path.Dir(dir) {
		if s.exists(dir + "/idVendor") {
			return dir
		}
	}
	return ""
}

// unitSerial returns the serial number that a SCSI disk tells (SPC-4, 7.8.16: page 0x80
// has it behind a header of four bytes).
func (s system) unitSerial(device string) string {
	page := s.text(device + "/vpd_pg80")
	if len(page) <= 4 {
		return ""
	}
	return strings.TrimSpace(page[4:])
}
